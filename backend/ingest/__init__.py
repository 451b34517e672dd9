"""Envelopes off the broker: verified, chained, accepted once, or refused with a reason."""
