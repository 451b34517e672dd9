"""The journal: double entry, append-only, in two phases; what is owed is a projection of it."""
