"""Findings about lots and gateways: opened, escalated, ceased, and resolved by a person."""
