"""Sites to simulate, one TOML file each; ``docs/simulator.md`` explains the format."""
