"""Measurements against yardsticks of the same run; never part of the test suite."""
