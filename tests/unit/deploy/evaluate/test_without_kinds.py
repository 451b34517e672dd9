"""A site that lacks a kind of sensor knows less, and never believes more."""

import pytest

from backend.alerts.types import Severity
from backend.collateral.types import Custody, LotState, QuantityState, Surveillance
from tests.unit.deploy.evaluate.stories import BEGINS_MIN, MINUTE_US, SECOND_US, Story, play, story

STEP_S = 5
TOLD_S_MAX = 60
LOOKED_FOR_S = 200  # A whole pallet may hang on a fork for 180 s, where no tag says otherwise.


def _quiet(told: Story) -> dict[str, LotState]:
    """Return how each lot stands before the incident, by its name."""
    books, _ = play(told, [told.begins_us + BEGINS_MIN * MINUTE_US - MINUTE_US // 2])
    (own,) = told.months.registered
    return {own.names[lot]: kept.state for lot, kept in books.lots.items()}


@pytest.mark.parametrize("without", [("rfid",), ("rfid", "scale"), ("rfid", "scale", "camera")])
def test_lot_is_no_sounder_than_its_sensors_can_know(without: tuple[str, ...]) -> None:
    """Without tags no item is in its place; with no weight either nothing is measured: locked."""
    lots = _quiet(story("take_pallet", 3, without=without))
    for name, state in lots.items():
        assert not state.sound, name
        assert state.custody is Custody.MISSING, name
        weighed = "scale" not in without and name in ("copper", "aluminium")
        assert state.evaluated is weighed, name
        if not weighed:
            assert state.quantity is QuantityState.UNKNOWN, name
            assert state.surveillance is Surveillance.DARK, name
            assert state.measured_mass_g is None, name


def test_weight_alone_accepts_less_than_weight_and_tags() -> None:
    """What the scale may be off is not lent upon, unless every tag bears it out."""
    with_tags = _quiet(story("take_pallet", 3))["copper"].measured_mass_g
    without_tags = _quiet(story("take_pallet", 3, without=("rfid",)))["copper"].measured_mass_g
    assert with_tags is not None
    assert without_tags is not None
    assert without_tags < with_tags


@pytest.mark.parametrize("without", [(), ("rfid",), ("scale",), ("camera",), ("gps", "climate")])
def test_removal_is_found_by_what_is_left(without: tuple[str, ...]) -> None:
    """Weight finds a stolen pallet without tags, tags without weight, within a minute."""
    told = story("take_pallet", 3, without=without)
    begins_us = told.begins_us + BEGINS_MIN * MINUTE_US
    steps = range(begins_us, begins_us + LOOKED_FOR_S * SECOND_US, STEP_S * SECOND_US)
    books, alerts = play(told, [begins_us - MINUTE_US // 2, *steps])
    (own,) = told.months.registered
    copper = own.lot_named("copper")
    state = books.lots[copper].state
    assert state.quantity is QuantityState.SHORT
    assert not state.sound
    assert [alert.lot for alert in alerts.every if alert.severity is Severity.CRITICAL] == [copper]
    (first, *_) = (alert for alert in alerts.every if alert.lot == copper)
    assert first.opened_us - begins_us <= TOLD_S_MAX * SECOND_US
