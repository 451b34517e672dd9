"""The console: HTML pages over the domains, live by server-sent events. It decides nothing."""
