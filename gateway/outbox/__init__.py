"""The gateway's durable queue: a journal of readings and the envelopes made of them.

* ``rows``: a reading, or a sweep of many, as one journal row.
* ``journal``: the rows in their order; the front of it becomes an envelope.
* ``bounds``, ``draft``: what an envelope can hold; the next one, out of the journal's front.
* ``ranks``, ``buffer``: what gives way first; what waits in memory for the disk.
* ``losses``, ``records``: what was dropped or set aside, and the readings that tell of it.
* ``segments``: the clock segments of the rows.
* ``schema``: the file's tables, by version.
* ``database``: the connection, and its counts.
* ``head``: the tiny side file that remembers where the stream stands when the file is lost.
* ``store``: journal, seal, receipts and bounds on one SQLite connection; synchronous.
* ``identity``: the state folder: key, first head, lock.
* ``recovery``, ``evidence``: opens the file, sets a torn one aside; how many of those are kept.
* ``writer``: the one thread that owns the store; the rest of the gateway talks to it.

Invariant: an envelope leaves the file only on a verified receipt (tests/unit/gateway/outbox).
"""
