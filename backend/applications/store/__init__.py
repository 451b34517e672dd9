"""Applications in the database, and what their steps are decided on."""
