"""How good detection is, measured: simulated months, the gateway's and the backend's own rules.

``worlds`` makes the months, ``gateway`` thins them out as a gateway does, ``backend`` folds and
decides them as the backend does, ``naive`` does what a threshold would, ``score`` compares both
with the truth, ``table`` and ``page`` say so. No socket, no clock, no database: virtual time.
"""
