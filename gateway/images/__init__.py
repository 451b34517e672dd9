"""Images of cameras, kept beside the readings under their SHA-256, within a bound.

An image never travels by itself: its digest does, in a signed reading. The image is sent when the
backend asks for it by that digest.
"""
