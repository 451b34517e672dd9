"""Workers that start anew amid an incident store what one stores that read it in other batches."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from random import Random
from typing import Any
from uuid import uuid4

import pytest

from backend.batch import Memory
from backend.db import Database
from backend.ingest.types import Message
from deploy.database import DatabaseServer
from schemas.quantities import EventType, Quantity
from tests.gateway_double import Happening, Sealed, Value
from tests.integration.backend.ingest.rig import SECOND_US, Rig
from tests.warehouse import NET_G, TARE_G, Warehouse, bind, build_warehouse

pytestmark = pytest.mark.integration
QUIET_S, LASTS_S, AFTER_S = 75, 45, 20  # A baseline takes a whole minute.
MISSED = 0.1  # Of a tag's rounds.
NOISE_G = 300.0
PALLET_G = float(NET_G + TARE_G)

Second = tuple[frozenset[bytes], float, list[Sealed]]
Happens = Callable[[Warehouse, int], Second]


def _nothing(_made: Warehouse, _second: int) -> Second:
    return frozenset(), 0.0, []


def _theft(made: Warehouse, second: int) -> Second:
    """A pallet goes for good, by tag and by weight."""
    return (frozenset([*made.items][:1]), PALLET_G, []) if second >= 0 else _nothing(made, second)


def _lift(made: Warehouse, second: int) -> Second:
    """Two pallets are off the scale for a while, and come back."""
    away = 0 <= second < LASTS_S
    return frozenset([*made.items][:2] if away else []), 2 * PALLET_G if away else 0.0, []


def _heat(_made: Warehouse, second: int) -> Second:
    """It is too warm for longer than the goods bear, with a door that stands open."""
    within = 0 <= second < LASTS_S
    return (
        frozenset(),
        0.0,
        [
            Value(sensor="air", quantity=Quantity.TEMPERATURE, value=-5.0 if within else -20.0),
            Value(sensor="door", quantity=Quantity.CONTACT, value=float(within)),
        ],
    )


def _blind(made: Warehouse, second: int) -> Second:
    """A camera is covered, and behind its back goods go and leave their tags."""
    if second not in (0, LASTS_S):
        return frozenset(), PALLET_G / 2 if 5 <= second < LASTS_S else 0.0, []
    body = {"what": "covered", "active": second == 0}
    told = Happening(sensor="camera", type=EventType.CAMERA_TAMPER, body=body)
    return _nothing(made, second)[0], 0.0, [told]


def _seconds(rig: Rig, happens: Happens, rng: Random) -> list[Message]:
    """Return what a gateway seals before, in and after an incident."""
    sealed: list[Message] = []
    for second in range(-QUIET_S, LASTS_S + AFTER_S):
        rig.now_us += SECOND_US
        gone, less_g, extra = happens(rig.made, second)
        missed = frozenset(epc for epc in rig.made.items if rng.random() < MISSED)
        gross_g = round(rig.made.gross_g - less_g + rng.gauss(0.0, NOISE_G), -2)
        readings = rig.round(gone | missed, gross_g, extra)
        sealed.append(rig.made.gateway.seal(readings, rig.now_us))
    return sealed


def _write(rig: Rig, sealed: Sequence[Message], cuts: Sequence[int]) -> None:
    for begin, end in zip((0, *cuts), (*cuts, len(sealed)), strict=True):
        rig.write(*sealed[begin:end])


def _cuts(rng: Random, count: int, most: int) -> list[int]:
    """Return where to cut into batches of up to ``most``; the last message comes alone."""
    cuts = [0]
    while cuts[-1] < count - 1:
        cuts.append(min(count - 1, cuts[-1] + rng.randint(1, most)))
    return cuts[1:]


def _stored(made: Warehouse) -> dict[str, list[tuple[Any, ...]]]:
    """Return what is derived from readings; when it was decided depends on the batches."""
    return {
        "sensors": made.execute("SELECT to_jsonb(s) FROM sensor_state s ORDER BY 1"),
        "sightings": made.execute("SELECT to_jsonb(s) FROM item_sighting s ORDER BY 1"),
        "lots": made.execute(
            "SELECT to_jsonb(s) - 'evaluated_at' - 'changed_at' FROM lot_state s ORDER BY 1",
        ),
        "alerts": made.execute(
            "SELECT cause, kind, severity, state, ceased_at IS NULL FROM alert ORDER BY 1, 2"
        ),
    }


@pytest.fixture
def pair(database_server: DatabaseServer, db_url: str) -> Iterator[tuple[Rig, Rig]]:
    """Two databases with the same warehouse, of which nothing was heard."""
    made = build_warehouse(db_url)
    for sensor, purpose in (("air", "condition"), ("door", "door"), ("camera", "camera")):
        bind(made, sensor, purpose)
    name = f"pw_test_restart_{uuid4().hex[:8]}"
    url = database_server.create_database(name, db_url.rsplit("/", 1)[-1].split("?")[0])
    with Database(db_url, connections_max=4) as first, Database(url, connections_max=4) as second:
        yield Rig(db=first, made=made), Rig(db=second, made=replace(made, url=url))
    database_server.drop_database(name)


@pytest.mark.parametrize("happens", [_theft, _lift, _heat, _blind])
def test_restart_and_other_batches_store_the_same(pair: tuple[Rig, Rig], happens: Happens) -> None:
    """Sensors, sightings, lots and alerts are equal, whoever remembered what in between."""
    restarting, steady = pair
    rng = Random(happens.__name__)
    sealed = _seconds(restarting, happens, rng)
    restart = QUIET_S + rng.randrange(1, LASTS_S)
    cuts = sorted({*_cuts(rng, len(sealed), 4), restart})
    before = cuts.index(restart) + 1
    _write(restarting, sealed[:restart], cuts[: before - 1])
    restarting.memory = Memory()
    _write(restarting, sealed[restart:], [cut - restart for cut in cuts[before:]])
    _write(steady, sealed, _cuts(rng, len(sealed), 20))
    found, expected = _stored(restarting.made), _stored(steady.made)
    assert found["alerts"], "the incident is told"
    for table, rows in expected.items():
        assert found[table] == rows, table
