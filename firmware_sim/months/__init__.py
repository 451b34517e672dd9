"""Months of a site in minutes: the world and noise of the wires, in columns, no sockets."""
