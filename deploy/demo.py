"""The demo: the whole system on this machine, a simulated site, and what to try."""

from rich.console import Console
from rich.table import Table

from deploy.processes import Supervisor
from deploy.seed import LOGINS
from deploy.stack import Stack, StackOptions

WHAT_TO_TRY = """\
[bold]What to try[/bold]
  1. Log in as [bold]bank[/bold]: two facilities, their collateral value, coverage, availability.
  2. In a private window log in as [bold]borrower[/bold] and request a drawdown; as bank authorise
     and disburse it.
  3. Open [bold]Simulator[/bold] and take a pallet. Watch the facility lock; request another
     drawdown and read why it is refused. Repaying stays possible.
  4. Undo the incident, resolve the alert as bank, and see the lock lift.
  5. As bank open the lot [bold]copper[/bold] and issue a release order: 1000 kg to the dock, no
     items ticked, signed in the browser with the bank's key (its file is named below). Then
     [bold]Move a pallet[/bold] of copper: nothing alarms, the order tells what goes, and a
     minute later less is pledged. Move another: that alarms.
  6. As [bold]logistics[/bold] see the same alert on the floor plan, with the readings behind it.
  7. Register a gateway of your own under [bold]Gateways[/bold], as operator make its code, and
     enrol it: docs/first-gateway.md.
"""


def run_demo(options: StackOptions) -> None:
    """Start everything, print where to look, and stay until Ctrl-C.

    Raises:
        DeployError: A part did not start, or died more often than it may be restarted.
    """
    console = Console(highlight=False)
    with Supervisor() as supervisor:
        stack = Stack(options, supervisor)
        with console.status("Starting database, broker, backend, simulated site and gateways ..."):
            stack.start()
        _print_where(console, stack)
        supervisor.wait(stack.admit_gateways)
    console.print("Stopped.")


def _print_where(console: Console, stack: Stack) -> None:
    table = Table(title="Logins", title_justify="left", box=None)
    for column in ("login", "password", "role"):
        table.add_column(column)
    for role, login in LOGINS.items():
        table.add_row(login, stack.seeded.passwords[role], role)
    console.print(f"\n[bold]Console[/bold]  {stack.base_url}\n")
    console.print(table)
    console.print(f"\n{WHAT_TO_TRY}")
    console.print(f"The bank's signing key: {stack.signing_key}")
    console.print(f"Logs and state: {stack.dir}\nCtrl-C ends everything; a second start keeps it.")
