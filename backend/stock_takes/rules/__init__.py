"""Files of handheld readers, and what a count says of a lot. Pure."""
