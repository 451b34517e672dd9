"""The engine, the kinds that run on it, and what their documents say. Pure."""
