"""The command: every check in turn, what it found, and what to do."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Final

import msgspec
import typer

from gateway.cli.common import EXIT_FAILED, ConfigOption, load
from gateway.cli.doctor.finding import Finding, Verdict, ok, problem
from gateway.cli.doctor.machine import check_clock, check_key, check_state
from gateway.cli.doctor.ports import check_ports
from gateway.clock import SystemClock
from gateway.config.file import Config
from gateway.control.client import NoDaemonError, ask_status
from gateway.control.status import Status
from gateway.errors import GatewayError

_COLOURS: Final = {Verdict.OK: "green", Verdict.WARNING: "yellow", Verdict.PROBLEM: "red"}


def doctor(
    config: ConfigOption,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Check ports, devices, disk, key, clock, network and receipts; code 1 for any problem."""
    loaded, digest = load(config)
    findings: list[Finding] = []
    for finding in _findings(loaded, digest):
        findings.append(finding)
        if not as_json:
            _print(finding)
    problems = sum(f.verdict is Verdict.PROBLEM for f in findings)
    warnings = sum(f.verdict is Verdict.WARNING for f in findings)
    if as_json:
        typer.echo(msgspec.json.encode(findings).decode())
    else:
        typer.echo(f"{problems} problems, {warnings} warnings, {len(findings)} checks")
    if problems:
        raise typer.Exit(EXIT_FAILED)


def _findings(config: Config, digest: bytes) -> Iterator[Finding]:
    # Here, because only this command needs them: TLS, certificates, every driver.
    from gateway.cli.doctor.daemon import check_daemon
    from gateway.cli.doctor.devices import ask_daemon, ask_devices
    from gateway.cli.doctor.network import check_uplink

    clock = SystemClock()
    yield from check_state(config)
    yield from check_key(config)
    yield from check_clock(config, clock)
    status, finding = _ask(config)
    if finding is not None:
        yield finding
    if status is not None:
        yield from check_daemon(status, digest)
    yield from check_uplink(
        config, clock, connected=status is not None and status.uplink.state in ("open", "stopped")
    )
    yield from check_ports(config)
    if status is not None:
        yield from ask_daemon(status)
    elif finding is None or finding.verdict is Verdict.OK:
        yield from ask_devices(config)


def _ask(config: Config) -> tuple[Status | None, Finding | None]:
    try:
        return ask_status(Path(config.gateway.state_dir)), None
    except NoDaemonError:
        return None, ok("daemon", "does not run; devices and broker are tried from here")
    except GatewayError as error:
        return None, problem("daemon", str(error), "systemctl restart pledgewatch-gateway")


def _print(finding: Finding) -> None:
    verdict = typer.style(f"{finding.verdict.value:<8}", fg=_COLOURS[finding.verdict])
    typer.echo(f"{verdict} {finding.check:<13} {finding.what}")
    if finding.remedy:
        typer.echo(f"{'':22} do: {finding.remedy}")
