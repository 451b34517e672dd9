"""The settlement centre in the database, one module for each group of tables."""
