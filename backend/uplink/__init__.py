"""Envelopes over HTTPS, beside the broker: an inbox before the worker, receipts and commands back.

The api writes into the inbox and reads what is signed; judging and committing is the worker's.
"""
