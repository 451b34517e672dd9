"""Read-only queries of the pages: one for each table on screen, whatever its number of rows."""
