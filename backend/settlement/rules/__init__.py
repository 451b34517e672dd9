"""What a bank's message says, and where its money belongs. Pure."""
