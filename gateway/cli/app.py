"""Which commands there are."""

import sys

import typer

from gateway.cli import daemon

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
app.command()(daemon.run)


@app.callback()
def _commands() -> None:
    """Pledgewatch's gateway."""


def _add_others() -> None:
    from gateway.cli import captures, certificate, control, identity, inspect, probe, trust
    from gateway.cli.doctor.command import doctor
    from gateway.cli.scan.command import scan

    for command in (
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
        certificate.renew,
        inspect.outbox,
    ):
        app.command()(command)
    probes = typer.Typer(no_args_is_help=True, help="Show what a device's bytes could mean.")
    app.add_typer(probes, name="probe")
    probes.command("modbus")(probe.probe_modbus)


if sys.argv[1:2] != ["run"]:  # A daemon keeps in memory for ever what is imported once.
    _add_others()
