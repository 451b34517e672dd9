"""Facilities and their money in the database, one module for each group of tables."""

from backend.facility.store.facilities import facilities_of_lots

__all__ = ["facilities_of_lots"]
