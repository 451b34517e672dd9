"""From recorded rows to a statement, its steps, its one form in bytes, its seal. Pure."""
