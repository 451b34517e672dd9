"""Instruments and their prices: which price may be used now, and how much it moves."""
