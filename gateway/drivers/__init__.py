"""From devices to arrivals: asyncio shells, each an async iterator of arrivals, and what follows.

* ``convert``: what a decoder yields, as readings.
* ``serial_line``, ``rfid``, ``modbus``, ``mqtt``, ``gpsd``, ``snapshot``: one driver a kind of
  bus.
* ``report``: report by exception, with a heartbeat.
* ``intake``: what happens to every arrival before it is journalled.
"""
