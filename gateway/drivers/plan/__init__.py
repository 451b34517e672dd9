"""What the configuration says about every device: its driver, its sensors, rules and bounds.

* ``device``: the plan of one bus or port, and what planning needs.
* ``serial``, ``modbus``, ``camera``, ``snapshot``, ``gpsd``, ``llrp``: one kind of device each.
* ``every``: the plans of a whole configuration; a new kind of device is one row of ``PLANNERS``.
"""
