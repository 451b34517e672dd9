"""Keys with which parties sign acts of legal effect: registered, valid for a time, revoked."""
