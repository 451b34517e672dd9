"""Months of a site in minutes: the same world and noise as on the wires, in columns, no sockets."""
