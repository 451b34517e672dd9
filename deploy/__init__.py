"""Where the programs are put together: the embedded stack of the demo and the tests.

Nothing imports this package but the tests; it may import every program.
"""
