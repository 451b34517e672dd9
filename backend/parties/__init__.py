"""Parties, the accounts that act for them, and how an account proves itself."""
