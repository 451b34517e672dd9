"""The gateway's command line as ``python -m gateway COMMAND``; installed: pledgewatch-gateway."""

from gateway.cli.app import app

if __name__ == "__main__":
    app()
