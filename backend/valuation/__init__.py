"""What pledged lots are worth now, and how much of it may be lent against."""
