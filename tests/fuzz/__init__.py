"""Mutation fuzzing of everything that reads bytes from outside: ``python -m tests.fuzz``.

* ``seeds``: good and bad bytes to begin from: the folder ``seeds/``, golden vectors, captures.
* ``mutate``, ``mutate_cbor``: what is done to them.
* ``targets``: what is fed, and what must hold whatever the bytes.
* ``run``: cases until the time is over; what did not hold goes to ``findings/``, as small as it
  could be made, where a test replays it for ever.
"""
