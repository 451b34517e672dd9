"""The command: search all ports at once, and show what was found."""

from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Annotated, Any, Final

import msgspec
import typer

from gateway.cli.scan.found import MODBUS, Found, PortState, snippet
from gateway.cli.scan.line import LISTEN_S, Search, search_port
from gateway.cli.scan.modbus_rtu import UNIT_MAX
from gateway.cli.scan.ports import find_ports

PORTS_AT_ONCE_MAX: Final = 16
_HINTS: Final = {
    PortState.SILENT: "nothing speaks by itself; readers and Modbus answer only to --ask",
    PortState.UNKNOWN: "something speaks that no family understands; record it, and try decode",
    PortState.BUSY: "another program holds it: the daemon? stop it, or look with watch",
    PortState.FORBIDDEN: "no rights: be in the group dialout, or use sudo",
}


def scan(
    port: Annotated[
        list[str] | None, typer.Option("--port", help="Only this port; may be repeated.")
    ] = None,
    ask: Annotated[
        bool, typer.Option("--ask", help="Also send harmless questions to silent ports.")
    ] = False,
    units: Annotated[
        int, typer.Option(min=1, max=UNIT_MAX, help="With --ask: Modbus units 1 to this.")
    ] = 8,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    listen_s: Annotated[
        float, typer.Option("--listen", min=0.5, max=60, help="Seconds at each speed.")
    ] = LISTEN_S,
) -> None:
    """Find serial adapters and recognise what speaks on them."""
    ports = find_ports(port or ())
    search = Search(ask=ask, units=units, listen_s=listen_s)
    with ThreadPoolExecutor(PORTS_AT_ONCE_MAX) as pool:
        found = list(pool.map(partial(search_port, search=search), ports))
    if as_json:
        typer.echo(msgspec.json.encode(found).decode())
        return
    if not found:
        typer.echo("no serial adapter is plugged in")
    for one in found:
        typer.echo(_described(one))
    if snippets := _snippets(found):
        typer.echo(f"\nFor the configuration, with names of your own:\n\n{snippets}", nl=False)


def _described(found: Found) -> str:
    head = found.port + (f" ({found.text})" if found.text else "")
    if found.state is not PortState.RECOGNISED:
        hint = found.why if found.state is PortState.ABSENT else _HINTS[found.state]
        return f"{head}\n    {found.state.value}: {hint}"
    lines = [head, f"    {found.family} at {found.setting}, {_evidence(found)}"]
    if found.alternatives:
        lines.append(f"    fits {', '.join(found.alternatives)} just as well")
    lines += [f"    unit {u.unit} {u.identity or 'without identity'}" for u in found.units]
    if found.example:
        lines.append(f"    {_example(found.example)}")
    return "\n".join(lines)


def _evidence(found: Found) -> str:
    if found.family == MODBUS:
        return f"{found.frames} units answer"
    return f"{found.frames} valid frames, {found.faults} faults ({found.confidence:.0%})"


def _example(line: dict[str, Any]) -> str:
    shown = {key: value for key, value in line.items() if value not in (None, "", [])}
    return " ".join(f"{key}={value}" for key, value in shown.items())


def _snippets(found: Sequence[Found]) -> str:
    numbers: Counter[str] = Counter()
    parts: list[str] = []
    for one in found:
        if one.state is PortState.RECOGNISED:
            kind = one.family.partition("-")[0]
            numbers[kind] += 1
            parts.append(snippet(one, numbers[kind]))
    return "\n".join(parts)
