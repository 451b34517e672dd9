"""The site's devices: pure encoders, and the thin shells that put their bytes on a wire."""
