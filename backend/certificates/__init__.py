"""Client certificates of gateways at the broker: issued, renewed, revoked by an authority of ours.

They let a gateway reach the broker, no more: what it sends counts only under its own signature.
"""
