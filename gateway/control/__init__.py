"""What an installer on this machine may ask the running daemon."""
