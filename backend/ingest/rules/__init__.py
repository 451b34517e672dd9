"""Pure rules of ingest: what a message is, where it stands in its stream, what it holds."""
