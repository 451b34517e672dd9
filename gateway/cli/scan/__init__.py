"""Find serial adapters, and recognise what speaks on them.

* ``ports``: which adapters there are, under names that stay.
* ``found``: what was found on a port, as a table, as JSON and as a piece of configuration.
* ``score``: how well bytes fit each family. Pure.
* ``modbus_rtu``: the few Modbus frames that a search needs. Pure.
* ``line``: listen, and ask; the only module here that opens a port.
* ``command``: the command itself.

Listening changes nothing on any bus. Questions are sent only when they are asked for.
"""
