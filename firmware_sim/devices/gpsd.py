"""A gpsd with one receiver: JSON reports over TCP to each client that watches.

Source: gpsd_json(5) of gpsd 3.25: VERSION on connecting; ``?WATCH=`` answered by DEVICES and
WATCH; then SKY and TPV each cycle. Other requests get an ERROR, as gpsd's own do.
"""

import asyncio
import json
import math
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final, cast

from firmware_sim.devices.gnss_nmea import Fix
from firmware_sim.devices.listener import Listener

CONNECTIONS_MAX = 8
REQUEST_BYTES_MAX = 82  # 80 characters and a line end, says the manual
BACKLOG_BYTES_MAX = 65_536  # a client that does not read is dropped, as gpsd does
DEVICE: Final = "/dev/ttyACM0"
_VERSION: Final = {
    "class": "VERSION",
    "release": "3.25",
    "rev": "3.25",
    "proto_major": 3,
    "proto_minor": 15,
}


class GpsdServer:
    """Serves the reports of one receiver."""

    def __init__(self) -> None:
        """Prepare; nothing listens yet."""
        self.listener = Listener(self._serve, CONNECTIONS_MAX)
        self._watching: set[asyncio.StreamWriter] = set()

    def report(self, fix: Fix) -> bool:
        """Send a second's reports to all who watch; return whether there was one."""
        lines = _line(_sky(fix)) + _line(_tpv(fix))
        for writer in tuple(self._watching):
            if writer.transport.get_write_buffer_size() > BACKLOG_BYTES_MAX:
                self._watching.discard(writer)
                writer.transport.abort()
            else:
                writer.write(lines)
        return bool(self._watching)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(_line(_VERSION))
        try:
            while request := await reader.readline():
                writer.write(self._answer(request[:REQUEST_BYTES_MAX].strip(), writer))
        except ValueError:
            return  # a line longer than the stream's limit: no client of ours
        finally:
            self._watching.discard(writer)

    def _answer(self, request: bytes, writer: asyncio.StreamWriter) -> bytes:
        name, _, argument = request.rstrip(b";").partition(b"=")
        wanted = _object(argument)
        if name != b"?WATCH" or wanted is None:
            return _line({"class": "ERROR", "message": "Unrecognized request"})
        watch: dict[str, object] = {"class": "WATCH", "enable": True, "json": False, **wanted}
        if watch["enable"] and watch["json"]:
            self._watching.add(writer)
        else:
            self._watching.discard(writer)
        device = {"class": "DEVICE", "path": DEVICE, "driver": "u-blox", "cycle": 1.0}
        return _line({"class": "DEVICES", "devices": [device]}) + _line(watch)


def _line(report: Mapping[str, object]) -> bytes:
    return json.dumps(report, separators=(",", ":")).encode() + b"\r\n"


def _object(argument: bytes) -> dict[str, object] | None:
    try:
        value: object = json.loads(argument or b"{}")
    except ValueError:
        return None
    return cast("dict[str, object]", value) if isinstance(value, dict) else None


def _sky(fix: Fix) -> dict[str, object]:
    sky: dict[str, object] = {"class": "SKY", "device": DEVICE, "nSat": 14}
    if fix.lat_deg is None:
        return sky | {"uSat": 0}
    return sky | {"uSat": 9, "hdop": fix.hdop, "pdop": round(math.hypot(fix.hdop, 1.3), 1)}


def _tpv(fix: Fix) -> dict[str, object]:
    if fix.lat_deg is None or fix.lon_deg is None:
        return {"class": "TPV", "device": DEVICE, "mode": 1}
    at = datetime.fromtimestamp(fix.unix_us / 1e6, tz=UTC)
    return {
        "class": "TPV",
        "device": DEVICE,
        "status": 1,
        "mode": 3,
        "time": f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1_000:03d}Z",
        "lat": round(fix.lat_deg, 9),
        "lon": round(fix.lon_deg, 9),
        "altMSL": 4.0,
        "eph": 3.04,
        "speed": 0.02,
    }
