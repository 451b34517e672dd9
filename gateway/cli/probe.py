"""What Modbus registers mean in every type and word order: as given, or read from a device."""

import asyncio
from typing import Annotated, Final, Literal

import msgspec
import typer

from gateway.cli.common import failed
from gateway.cli.plausible import Meaning, meanings
from gateway.clock import SystemClock
from gateway.config.modbus import ModbusSection
from gateway.decode import cli as decode_cli
from gateway.decode.modbus_frames import (
    READ_HOLDING_REGISTERS,
    READ_INPUT_REGISTERS,
    Answer,
    Refusal,
    make_request,
)
from gateway.drivers.modbus_link import open_link
from gateway.errors import DeviceError, GatewayError

REGISTERS_MAX: Final = 125  # Modbus application protocol 1.1b3, 6.3.
_FUNCTIONS: Final = {"holding": READ_HOLDING_REGISTERS, "input": READ_INPUT_REGISTERS}
# Modbus application protocol 1.1b3, 7.
_REFUSALS: Final = {
    1: "it does not know this function; try --table input",
    2: "it has no such address; try another --address or a smaller --count",
    3: "it does not give so many; try a smaller --count",
    4: "it failed",
    6: "it is busy",
    10: "the coupler cannot reach the unit",
    11: "the unit behind the coupler does not answer",
}


def probe_modbus(  # noqa: PLR0913 - a command's options are its parameters
    hex_text: Annotated[str, typer.Option("--hex", help="Register bytes, as they came.")] = "",
    url: Annotated[str | None, typer.Option(help="Read from tcp://HOST:PORT.")] = None,
    port: Annotated[str | None, typer.Option(help="Read from a serial port.")] = None,
    baud: Annotated[int, typer.Option(help="Of the serial port.")] = 9_600,
    parity: Annotated[Literal["N", "E", "O"], typer.Option(help="Of the serial port.")] = "N",
    unit: Annotated[int, typer.Option(min=0, max=255, help="Which device on the bus.")] = 1,
    table: Annotated[Literal["holding", "input"], typer.Option(help="Which registers.")] = (
        "holding"
    ),
    address: Annotated[
        int, typer.Option(min=0, max=65_535, help="The first register, counted from 0.")
    ] = 0,
    count: Annotated[int, typer.Option(min=1, max=REGISTERS_MAX, help="How many.")] = 8,
    expect: Annotated[
        float | None, typer.Option(help="What the display shows, in any power of ten.")
    ] = None,
    show_all: Annotated[bool, typer.Option("--all", help="Also what nothing speaks for.")] = False,
) -> None:
    """Show what registers mean in every type and word order, and what is plausible."""
    try:
        if (url is None) == (port is None):
            if not hex_text or url is not None:
                raise typer.BadParameter("give --hex, or one of --url and --port")
            _print_rows(hex_text)
            return
        raw = {"name": "probe", "url": url, "port": port, "baud": baud, "parity": parity}
        config = msgspec.convert({**raw, "unit": []}, ModbusSection)
        data = asyncio.run(_read(config, unit, _FUNCTIONS[table], address, count))
        _print_meanings(data, address, expect, show_all=show_all)
    except (GatewayError, ValueError) as error:
        raise failed(error) from None


async def _read(
    config: ModbusSection, unit: int, function: int, address: int, count: int
) -> bytes:
    link = await open_link(config, SystemClock())
    try:
        heard = await link.ask(make_request(unit, function, address, count), config.timeout_s)
    finally:
        link.close()
    match heard.reply:
        case Answer(data):
            return data
        case Refusal(code):
            why = _REFUSALS.get(code, "see the device's manual")
            raise DeviceError(f"unit {unit} refuses with exception {code}: {why}")
        case wrong:
            raise DeviceError(f"unit {unit}: {wrong.why}; `scan --ask` finds units that answer")


def _print_meanings(data: bytes, address: int, expect: float | None, *, show_all: bool) -> None:
    words = [data[at : at + 2].hex() for at in range(0, len(data), 2)]
    typer.echo(f"registers {address} to {address + len(words) - 1}: {' '.join(words)}")
    found = list(meanings(data, expect))
    shown = [m for m in found if show_all or m.why]
    typer.echo(f"{'address':>8}  {'type':<8} {'order':<5} {'value':<24} because")
    for meaning in sorted(shown, key=_rank):
        place = f"{address + meaning.register:>8}  {meaning.type.value:<8} {meaning.order:<5}"
        typer.echo(f"{place} {_value(meaning):<24} {meaning.why}".rstrip())
    if len(shown) < len(found):
        typer.echo(f"{len(found) - len(shown)} more that nothing speaks for: --all shows them")


def _rank(meaning: Meaning) -> tuple[bool, bool, int]:
    return not meaning.why, meaning.why != "as expected", meaning.register


def _value(meaning: Meaning) -> str:
    return meaning.value if isinstance(meaning.value, str) else f"{meaning.value:.9g}"


def _print_rows(hex_text: str) -> None:
    rows = list(decode_cli.probe_rows(hex_text))
    typer.echo(f"{'register':>8}  {'type':<8} {'order':<5} value")
    for row in rows:
        value = row.get("value", row.get("fault"))
        typer.echo(f"{row['register']:>8}  {row['type']:<8} {row['order']:<5} {value}")
