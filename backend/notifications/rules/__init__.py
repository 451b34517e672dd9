"""What a notice says, who is told, where a message may go, and when it is tried again. Pure."""
