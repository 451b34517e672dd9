"""Collateral in the database."""
