"""Images of cameras: asked for by people, fetched from gateways, taken only if they are genuine.

An image is genuine when its SHA-256 is the one in a reading that its gateway signed. Nothing else
speaks for it: chunks are unsigned, and whoever forges them causes a refusal.
"""
