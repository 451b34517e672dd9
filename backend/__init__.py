"""The backend: takes signed envelopes, keeps the state of pledged goods, and locks the money."""
