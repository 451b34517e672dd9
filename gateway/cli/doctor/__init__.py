"""Look for what keeps a gateway from working, and say what to do about it.

* ``finding``: what one check says.
* ``machine``: state folder, disk, key, clock.
* ``ports``: serial ports and their rights.
* ``devices``: whether devices answer: the daemon knows, or they are opened here.
* ``network``: name, connection, certificate and login on the way to the broker.
* ``daemon``: software, configuration, receipts and backlog of the running daemon.
* ``command``: the command itself.

Nothing is changed, and no check takes more than some seconds.
"""
