"""The gateway beside its nearest peers, on the same Modbus devices and the same broker.

* ``devices``: Modbus TCP devices that count every read of every register.
* ``link``: the network between gateway and broker, which can be cut, stalled and reset.
* ``recorder``: the server's end for all: records what arrives, and signs our receipts.
* ``ours``, ``thingsboard``, ``nodered``: one gateway each: installed, configured, started.
* ``account``: what was polled, what arrived, what is lost, what came twice.
* ``site``: all of it as processes, and what a process costs.
"""
