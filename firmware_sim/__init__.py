"""A seeded warehouse that speaks its sensors' real protocols, for tests, demo and training.

The encoders are written from the vendors' papers and share no code with the gateway's decoders: a
misread manual must fail a test, not agree with itself.
"""
