"""``python -m deploy``: the system put together, for a look or for a proof."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from deploy.chaos import run_chaos
from deploy.demo import run_demo
from deploy.errors import DeployError
from deploy.evaluate import command as evaluation
from deploy.gateway_package import Architecture, build_package
from deploy.stack import StackOptions
from deploy.story import run_story

app = typer.Typer(no_args_is_help=True, add_completion=False, help=__doc__)

StateDir = Annotated[Path, typer.Option("--dir", help="State folder; kept between runs.")]
Fresh = Annotated[bool, typer.Option("--fresh", help="Delete the state of an earlier run first.")]


@app.command()
def demo(
    state_dir: StateDir = Path("var/demo"),
    *,
    fresh: Fresh = False,
    port: Annotated[
        int | None, typer.Option(min=1, max=65_535, help="The console's port. Default: 8480.")
    ] = 8480,
) -> None:
    """Run everything on embedded parts until Ctrl-C."""
    run_demo(StackOptions(state_dir=state_dir, fresh=fresh, http_port=port))


@app.command()
def story(
    state_dir: StateDir = Path("var/story"),
    *,
    incidents: Annotated[int, typer.Option(min=1, max=1_000, help="How many to cause.")] = 20,
    keep: Annotated[bool, typer.Option(help="Keep the state of an earlier run.")] = False,
) -> None:
    """Play the main job without a person; the last line is JSON with what was measured."""
    options = StackOptions(state_dir=state_dir, fresh=not keep)
    raise typer.Exit(run_story(options, incidents=incidents))


@app.command()
def chaos(
    state_dir: StateDir = Path("var/chaos"),
    *,
    kills: Annotated[int, typer.Option(min=1, max=10_000, help="How many to do.")] = 50,
    seed: Annotated[int, typer.Option(help="Of the random moments and targets.")] = 1,
) -> None:
    """Kill programs at random moments, then count every reading; the last line is JSON."""
    options = StackOptions(state_dir=state_dir, fresh=True, seed=seed)
    raise typer.Exit(run_chaos(options, kills=kills))


@app.command()
def evaluate(  # noqa: PLR0913 - one parameter an option of the command line
    *,
    scenario: Annotated[
        str, typer.Option(help="A scenario by name, or a path that ends in .toml.")
    ] = "evaluation",
    sites: Annotated[int, typer.Option(help="Sites a seed, side by side.")] = 2,
    days: Annotated[int, typer.Option(help="Simulated days.")] = 7,
    seeds: Annotated[str, typer.Option(help="Such as 1..40, 7 or 1,4,9.")] = "1..2",
    without: Annotated[str, typer.Option(help="Kinds of sensor that are not there.")] = "",
    jobs: Annotated[int, typer.Option(help="Processes; 0: as many as cores.")] = 0,
    step_s: Annotated[int, typer.Option(help="The longest batch, if nothing is found.")] = 3_600,
    only: Annotated[str, typer.Option(help="SEED:SITE:LABEL: tell that case in full.")] = "",
    out: Annotated[Path, typer.Option(help="Folder of the report.")] = Path("var/evaluate"),
    as_json: Annotated[bool, typer.Option("--json", help="The last line is JSON.")] = False,
) -> None:
    """Measure detection over simulated months, beside a threshold rule; write a report."""
    options = evaluation.Options(
        scenario=scenario,
        sites=sites,
        days=days,
        seeds=evaluation.parse_seeds(seeds),
        without=evaluation.parse_without(without),
        jobs=jobs or evaluation.default_jobs(),
        step_s=step_s,
        out=out,
        only=evaluation.parse_only(only),
    )
    raise typer.Exit(evaluation.run_evaluation(options, as_json=as_json))


@app.command()
def package(
    output: Annotated[Path, typer.Option(help="Where the file goes.")] = Path("dist"),
    *,
    architecture: Annotated[
        Architecture, typer.Option("--arch", help="The machine it is for.")
    ] = Architecture.ARM64,
) -> None:
    """Build the gateway's Debian package."""
    typer.echo(build_package(architecture, output))


def main() -> None:
    """Run the command line; an expected failure is one message and exit code 1."""
    try:
        app()
    except DeployError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(1)


if __name__ == "__main__":
    main()
