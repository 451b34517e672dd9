"""Lots, their items, what watches them, and the state that their sensors say they are in."""
