"""Which commands there are."""

import typer

from gateway.cli import captures, control, daemon, identity, inspect, probe, trust
from gateway.cli.doctor.command import doctor
from gateway.cli.scan.command import scan

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
probe_app = typer.Typer(no_args_is_help=True, help="Show what a device's bytes could mean.")
app.add_typer(probe_app, name="probe")

for _command in (
    daemon.run,
    daemon.check,
    control.reload,
    control.watch,
    captures.decode,
    doctor,
    scan,
    identity.keygen,
    identity.pubkey,
    identity.enrol,
    trust.rotate,
    inspect.outbox,
):
    app.command()(_command)
probe_app.command("modbus")(probe.probe_modbus)
