"""Stock-takes: goods counted by people, held against what is registered; append-only."""
