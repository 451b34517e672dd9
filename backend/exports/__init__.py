"""What leaves the house as a document: a borrowing base as of any moment, and its proof."""
