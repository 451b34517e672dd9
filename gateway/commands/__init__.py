"""What the backend may ask of this gateway, under the pinned key only, each number once.

* ``signed_time``: the least that the backend's clock can show, for a machine without one.
* ``ledger``: which number was executed last, and what was answered; survives a power cut.
* ``executor``: takes messages off the uplink, executes, answers in the stream.

Invariant: a command that cannot be verified changes nothing, not even the ledger.
"""
