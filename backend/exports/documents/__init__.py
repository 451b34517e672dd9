"""A statement written down: as a table for programs, and as pages for people."""
