"""What a change asks of alerts, and what a person may say of one. Pure."""
