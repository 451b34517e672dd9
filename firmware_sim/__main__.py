"""``python -m firmware_sim``: run a simulated site, or list what there is to run."""

import asyncio
import signal
import sys
from pathlib import Path
from typing import Annotated

import structlog
import typer

from firmware_sim.clock import SystemClock
from firmware_sim.devices.camera import BrokerLogin
from firmware_sim.errors import SimulatorError
from firmware_sim.prices import FeedTarget
from firmware_sim.scenario import load_scenario, scenario_names
from firmware_sim.site import Options, Site

EXIT_USAGE = 2  # like the shell's and typer's own: the command line or a file is wrong

cli = typer.Typer(
    name="firmware_sim",
    help="A simulated warehouse that speaks its sensors' real protocols.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@cli.command("list-scenarios")
def list_scenarios() -> None:
    """List the scenarios that come with the simulator."""
    for name in scenario_names():
        scenario = load_scenario(name)
        lots = ", ".join(lot.name for lot in scenario.lots)
        family = "a family of sites, the first with " if scenario.is_family else ""
        typer.echo(
            f"{name}: {family}{len(scenario.zones)} zones, lots {lots}; "
            f"gateways {', '.join(scenario.gateways())}"
        )


@cli.command()
def run(  # noqa: PLR0913 - a command's options are its parameters
    directory: Annotated[Path, typer.Option("--dir", help="Where dev/ and ports.json appear.")],
    scenario: Annotated[str, typer.Option(help="A name, or a path ending in .toml.")] = "harbour",
    seed: Annotated[int, typer.Option(help="All noise follows from it.")] = 1,
    noise: Annotated[str | None, typer.Option(help="Noise profile: demo or site.")] = None,
    broker_host: Annotated[str, typer.Option(help="The site's MQTT broker.")] = "127.0.0.1",
    broker_port: Annotated[
        int, typer.Option(min=0, max=65_535, help="0: no cameras and no links.")
    ] = 0,
    broker_user: Annotated[str | None, typer.Option()] = None,
    broker_password: Annotated[
        str | None, typer.Option("--broker-password", "--broker-pw", envvar="SIM_BROKER_PASSWORD")
    ] = None,
    control_port: Annotated[
        int, typer.Option(min=0, max=65_535, help="0: any free port; see ports.json.")
    ] = 0,
    backend_url: Annotated[
        str | None, typer.Option(help="Post prices here; needs --feed-token-file.")
    ] = None,
    feed_token_file: Annotated[
        Path | None, typer.Option(help="Bearer token of the price feed; may appear later.")
    ] = None,
) -> None:
    """Run a site until SIGTERM or Ctrl-C."""
    structlog.configure(logger_factory=structlog.WriteLoggerFactory(sys.stderr))
    try:
        login = _login(broker_host, broker_port, broker_user, broker_password)
        options = Options(
            scenario=load_scenario(scenario, profile=noise, seed=seed),
            directory=directory.absolute(),
            seed=seed,
            control_port=control_port,
            broker=login,
            feed=_feed(backend_url, feed_token_file),
        )
        asyncio.run(_run(options))
    except SimulatorError as exc:
        typer.echo(f"error: {exc}", err=True)
        raise typer.Exit(EXIT_USAGE) from exc


def _login(host: str, port: int, user: str | None, password: str | None) -> BrokerLogin | None:
    if port == 0:
        return None
    return BrokerLogin(host=host, port=port, user=user, password=password)


def _feed(url: str | None, token_file: Path | None) -> FeedTarget | None:
    if url is None:
        return None
    if token_file is None:
        msg = "--backend-url needs --feed-token-file, the file with the feed's bearer token"
        raise SimulatorError(msg)
    return FeedTarget(backend_url=url.rstrip("/"), token_file=token_file)


async def _run(options: Options) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await Site(options, SystemClock()).run(stop)


if __name__ == "__main__":
    cli()
