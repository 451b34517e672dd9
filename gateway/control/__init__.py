"""What an installer on this machine may see of the running daemon, and ask of it.

* ``status``: the whole state as one value, and the answers' wire form.
* ``server``, ``client``: the control socket in the state folder, JSON lines.
* ``metrics``, ``http``: the same state as Prometheus text, on the loopback only.
* ``watchdog``: the service manager's notifications.
* ``machine``, ``software``: what the process costs, and what code it is.

Invariant: nothing here changes a reading; ``reload`` is the only request that does anything.
"""
