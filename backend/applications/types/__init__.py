"""What applications are made of."""
