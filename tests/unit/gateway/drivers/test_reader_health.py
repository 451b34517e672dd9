"""The health of a network reader's sensors, as the intake sees it."""

from random import Random

from gateway.config.llrp import AntennaSection, LlrpSection
from gateway.decode.events import ReaderEvent, ReaderWhat
from gateway.drivers.intake import Intake
from gateway.drivers.llrp_rounds import Rounds
from gateway.drivers.plan.device import DriverParts
from gateway.drivers.plan.llrp import plan_llrp
from schemas.quantities import EventType
from tests.unit.gateway.drivers.test_intake import Journal, SteppingClock


def said(what: ReaderWhat, antenna: int | None = None) -> ReaderEvent:
    """Return an event of the reader, without a time."""
    return ReaderEvent(what=what, antenna=antenna, text="", time_us=None)


def test_a_sensor_without_its_antenna_is_late_and_says_why() -> None:
    """The rounds of the reader go on, and keep only the other sensor up."""
    clock, journal = SteppingClock(), Journal()
    cold = [AntennaSection(number=2, sensor="cold")]
    section = LlrpSection(sensor="portal", url="tcp://192.0.2.7", antennas=[1], antenna=cold)
    parts = DriverParts(clock=clock, random=Random(1))
    intake = Intake([plan_llrp(section, parts).sensors], clock, journal.put)
    rounds = Rounds(section)
    ended = [said(ReaderWhat.AISPEC_ENDED), said(ReaderWhat.ROSPEC_ENDED)]

    intake.take(rounds.take(ended, clock.unix_us()))
    intake.take(rounds.take([said(ReaderWhat.ANTENNA_DISCONNECTED, 2)], clock.unix_us()))
    for _ in range(6):
        clock.pass_s(1.0)
        intake.take(rounds.take(ended, clock.unix_us()))
        intake.tick()

    health = {sensor.sensor: (sensor.state, sensor.why) for sensor in intake.health()}
    assert health["portal"][0] == "up"
    assert health["cold"][0] == "late"
    assert "the reader says antenna_disconnected (antenna 2)" in health["cold"][1]
    (event,) = journal.bodies(EventType.READER_EVENT)
    assert event == {"what": "antenna_disconnected", "antenna": 2, "text": ""}
