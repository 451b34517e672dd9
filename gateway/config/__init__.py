"""The configuration: one module a kind of device, each with its section and its checks.

* ``types``: bounded types and checks that sections share.
* ``own``, ``uplink``: the gateway itself and where it sends.
* ``serial``, ``modbus``, ``camera``, ``gpsd``, ``llrp``: one kind of device each.
* ``file``: the whole file; a new kind is one field of ``Config`` and one row of ``KINDS``.
"""
