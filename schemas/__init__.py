"""What the programs share: wire formats as codec and text, and the words that travel in them."""
