"""Who is told what has happened: subscriptions, the outbox, and messages by webhook and e-mail."""
