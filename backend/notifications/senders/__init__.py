"""The two ways out: HTTP to receivers that parties chose, and the installation's mail server."""
