"""Pure decoders: a device's bytes in, readings or named faults out.

One module a device family, without I/O, clock or logger; only ``cli`` opens a capture file. A
decoder never raises, however bad the bytes, and what is not fully understood never becomes a
value.
"""
