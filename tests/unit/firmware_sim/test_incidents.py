"""Incidents: what they change, what shows them, and that each can be taken back."""

import pytest

from firmware_sim.errors import RefusedError
from firmware_sim.incidents import Incident, IncidentBook, Kind
from firmware_sim.noise import seeded
from firmware_sim.scenario import load_scenario
from firmware_sim.world import World, build_world, step

HARBOUR = load_scenario("harbour")
WORLD = build_world(HARBOUR)
LOTS = {
    Kind.OVERHEAT: "fish",
    Kind.DROP: "fish",
    Kind.COVER_CAMERA: "lubricant",
    Kind.CUT_SCALE_CABLE: "aluminium",
    Kind.CUT_NETWORK: "lubricant",
}


def book() -> IncidentBook:
    """Return an empty book for the harbour."""
    return IncidentBook(HARBOUR, seeded(1, "incidents"))


def settled(world: World) -> World:
    """Return ``world`` long after."""
    for _ in range(20):
        world = step(world, 60.0)
    return world


def apart_from_air(world: World) -> tuple[object, ...]:
    """Return all that an undone incident must have restored exactly."""
    return (
        world.items,
        world.covered,
        world.cut_cables,
        world.dark_links,
        dict(world.jolts),
        dict(world.price_factors),
    )


@pytest.mark.parametrize("kind", Kind)
def test_every_kind_changes_the_world_and_can_be_undone(kind: Kind) -> None:
    """After an incident the world differs; after its undo and some time it is as before."""
    notes = book()
    after, incident = notes.start(WORLD, kind, LOTS.get(kind), 1_000)
    assert after != WORLD
    assert notes.active() == [incident]
    restored, closed = notes.undo(after, incident.id, 2_000)

    assert apart_from_air(restored) == apart_from_air(WORLD)
    assert settled(restored).air["cold"].sensed_c == pytest.approx(-18.0, abs=0.01)
    assert closed.undone_unix_us == 2_000
    assert notes.active() == []


@pytest.mark.parametrize("kind", Kind)
def test_every_kind_finds_a_lot_by_itself(kind: Kind) -> None:
    """Without a lot the first one that can show the incident is taken."""
    _, incident = book().start(WORLD, kind, None, 0)

    assert incident.lot == ("fish" if kind in {Kind.OVERHEAT, Kind.DROP} else "copper")


@pytest.mark.parametrize(
    ("kind", "lot", "devices"),
    [
        (Kind.TAKE_PALLET, "copper", {"rfid-a", "scale-a"}),
        (Kind.TAKE_PALLET, "fish", {"rfid-c"}),
        (Kind.MOVE_PALLET, "aluminium", {"rfid-b", "load-b", "rfid-d"}),
        (Kind.TAKE_GOODS_LEAVE_TAGS, "copper", {"scale-a"}),
        (Kind.OVERHEAT, "fish", {"temp-c"}),
        (Kind.DROP, "fish", {"shock-c"}),
        (Kind.COVER_CAMERA, "lubricant", {"cam-yard"}),
        (Kind.FREEZE_CAMERA, "lubricant", {"cam-yard-snapshot"}),
        (Kind.PRICE_DROP, "fish", {"price:FISH"}),
    ],
)
def test_the_right_devices_show_it(kind: Kind, lot: str, devices: set[str]) -> None:
    """An incident is shown by the devices that watch the lot, and by no other."""
    _, incident = book().start(WORLD, kind, lot, 0)

    assert set(incident.shown_by) == devices


def started(kind: Kind, lot: str) -> tuple[IncidentBook, World, Incident]:
    """Return a book with one incident."""
    notes = book()
    world, incident = notes.start(WORLD, kind, lot, 1_000)
    return notes, world, incident


def test_first_bytes_are_the_first_that_show_it() -> None:
    """Bytes made before the incident, or by other devices, do not count; later ones no more."""
    notes, world, incident = started(Kind.TAKE_PALLET, "copper")
    notes.wrote("scale-a", world.revision - 1, None, 1_100)
    notes.wrote("rfid-b", world.revision, None, 1_200)
    assert notes.get(incident.id).first_bytes_unix_us is None
    notes.wrote("rfid-a", world.revision, None, 1_300)
    notes.wrote("scale-a", world.revision, None, 1_400)

    assert notes.get(incident.id).first_bytes_unix_us == 1_300


def test_overheating_shows_once_the_limit_is_passed() -> None:
    """A temperature still below the limit does not show the overheating yet."""
    notes, world, incident = started(Kind.OVERHEAT, "fish")
    notes.wrote("temp-c", world.revision, -17.5, 1_100)
    assert notes.get(incident.id).first_bytes_unix_us is None
    notes.wrote("temp-c", world.revision, -14.9, 1_200)

    assert notes.get(incident.id).first_bytes_unix_us == 1_200


@pytest.mark.parametrize("kind", [Kind.CUT_NETWORK, Kind.CUT_SCALE_CABLE])
def test_a_cut_shows_from_the_cut_on(kind: Kind) -> None:
    """Silence begins with the cut itself."""
    _, incident = book().start(WORLD, kind, None, 7)

    assert incident.first_bytes_unix_us == 7


@pytest.mark.parametrize(
    ("kind", "lot", "code"),
    [
        (Kind.DROP, "copper", "not_possible"),
        (Kind.OVERHEAT, "lubricant", "not_possible"),
        (Kind.TAKE_GOODS_LEAVE_TAGS, "fish", "not_possible"),
        (Kind.CUT_SCALE_CABLE, "fish", "not_possible"),
        (Kind.TAKE_PALLET, "gold", "unknown_lot"),
    ],
)
def test_what_nothing_could_show_is_refused(kind: Kind, lot: str, code: str) -> None:
    """An incident that no device would show, or of an unknown lot, is refused by name."""
    with pytest.raises(RefusedError, match=lot) as caught:
        book().start(WORLD, kind, lot, 0)
    assert caught.value.code == code


def test_the_same_thing_does_not_happen_twice_at_once() -> None:
    """A camera that is covered cannot be covered again before it is freed."""
    notes, world, incident = started(Kind.COVER_CAMERA, "copper")
    with pytest.raises(RefusedError, match="undo it first"):
        notes.start(world, Kind.COVER_CAMERA, "copper", 0)
    freed, _ = notes.undo(world, incident.id, 0)
    notes.start(freed, Kind.COVER_CAMERA, "copper", 0)


def test_pallets_run_out() -> None:
    """Each pallet of a lot can be taken once; then there is none left to take."""
    notes, world = book(), WORLD
    taken = set[str]()
    for _ in range(4):
        world, incident = notes.start(world, Kind.TAKE_PALLET, "lubricant", 0)
        taken.add(incident.target)
    assert taken == set(HARBOUR.lot("lubricant").epcs)
    with pytest.raises(RefusedError, match="no untouched pallet"):
        notes.start(world, Kind.TAKE_PALLET, "lubricant", 0)


def test_undo_is_once() -> None:
    """An undone incident cannot be undone again, nor one that never was."""
    notes, world, incident = started(Kind.DROP, "fish")
    world, _ = notes.undo(world, incident.id, 0)
    with pytest.raises(RefusedError, match="before"):
        notes.undo(world, incident.id, 0)
    with pytest.raises(RefusedError, match="no incident"):
        notes.undo(world, "drop-99", 0)
