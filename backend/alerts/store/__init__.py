"""Alerts in the database, and what is stored of the time around them."""
