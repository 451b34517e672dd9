"""The command line, one module a subject.

* ``common``: what every command shares: exit codes, the configuration, how a refusal looks.
* ``app``: which commands there are.
* ``daemon``: run, check.
* ``control``, ``view``, ``words``: watch, reload: ask the running daemon; how that looks.
* ``captures``: decode, probe: what a device's bytes mean.
* ``identity``: keygen, pubkey, enrol.
* ``inspect``: outbox: what is there, printed beside a running daemon.

Invariant: nothing here decides; a command asks a stage and prints the answer.
"""
