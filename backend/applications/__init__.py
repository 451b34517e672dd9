"""Applications for a loan: one workflow engine, the steps and documents of each kind."""
