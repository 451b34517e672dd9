"""Encoders and decoders, written apart from the vendors' papers, understand each other.

The one place where both sides meet: neither may import the other.
"""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_sim.devices.camera_events import Track, cover_events, status, track_event
from firmware_sim.devices.gnss_nmea import Fix as SentFix
from firmware_sim.devices.gnss_nmea import encode_second
from firmware_sim.devices.modbus import rtu_reply
from firmware_sim.devices.rfid_yrm100 import ErrorCode, TagSeen, Yrm100, error, notice
from firmware_sim.devices.scale_lines import Shown
from firmware_sim.devices.serial import ENCODERS
from firmware_sim.plan import ScaleForm
from gateway.decode import frigate, onvif
from gateway.decode.events import (
    CameraObject,
    CameraStatus,
    Event,
    Fault,
    FaultWhy,
    Fix,
    Position,
    ReaderReply,
    SceneChange,
    SceneFault,
    TagRead,
    Weight,
)
from gateway.decode.families import FAMILIES
from gateway.decode.yrm100 import encode_inventory, encode_inventory_many, encode_inventory_stop

NOON_US = 1_772_625_906_000_000


def decoded(family: str, sent: bytes) -> list[Event]:
    """Return what the gateway's decoder makes of ``sent``."""
    decoder = FAMILIES[family].make()
    return [*decoder.feed(sent), *decoder.flush()]


@given(
    form=st.sampled_from(ScaleForm),
    tenths=st.integers(-99_999, 150_000),
    stable=st.booleans(),
)
def test_every_scale_form_is_read_as_it_was_shown(
    form: ScaleForm, tenths: int, stable: bool
) -> None:
    """Mass, sign and motion of every line arrive."""
    line = ENCODERS[form](Shown(mass_g=tenths * 100, stable=stable, division_g=100))
    (event,) = decoded(f"scale-{form.value}", line)

    assert isinstance(event, Weight)
    assert (event.mass_g, event.stable) == (tenths * 100, stable)


@pytest.mark.parametrize("form", [ScaleForm.TSCALE, ScaleForm.AD, ScaleForm.SICS])
def test_overload_never_becomes_a_weight(form: ScaleForm) -> None:
    """An overloaded indicator's line is the fault of that name."""
    line = ENCODERS[form](Shown(mass_g=None, stable=True, division_g=100))
    (event,) = decoded(f"scale-{form.value}", line)

    assert isinstance(event, Fault)
    assert event.why is FaultWhy.OVERLOAD


@given(st.lists(st.tuples(st.binary(min_size=12, max_size=12), st.integers(-85, -25))))
def test_every_tag_is_read(tags: list[tuple[bytes, int]]) -> None:
    """EPC and signal strength of every notice arrive, whatever bytes the EPC holds."""
    sent = b"".join(notice(TagSeen(epc=epc, rssi_dbm=rssi_dbm)) for epc, rssi_dbm in tags)
    events = decoded("rfid-yrm100", sent)

    assert [(e.epc, e.rssi_dbm) for e in events if isinstance(e, TagRead)] == tags
    assert len(events) == len(tags)


def test_reader_obeys_the_gateways_commands() -> None:
    """Stop, single and multiple inventory as the gateway writes them are understood."""
    module = Yrm100(autostart=False)

    (stopped,) = decoded("rfid-yrm100", module.feed(encode_inventory_stop()))
    assert isinstance(stopped, ReaderReply)
    assert module.feed(encode_inventory_many(0xFFFF)) == b""
    assert module.polling
    module.feed(encode_inventory_stop() + encode_inventory())
    assert module.polling


def test_an_empty_field_is_a_sign_of_life_and_no_fault() -> None:
    """An answer of no tag tells the gateway that the reader lives."""
    (event,) = decoded("rfid-yrm100", error(ErrorCode.NO_TAG))

    assert isinstance(event, ReaderReply)


@given(st.floats(-85.0, 85.0), st.floats(-179.9, 179.9))
def test_position_arrives(lat_deg: float, lon_deg: float) -> None:
    """A second's sentences are one three-dimensional position at the right place and time."""
    sent = encode_second(SentFix(unix_us=NOON_US, lat_deg=lat_deg, lon_deg=lon_deg))
    positions = [e for e in decoded("nmea", sent) if isinstance(e, Position)]

    assert positions
    last = positions[-1]
    assert (last.time_us, last.fix) == (NOON_US, Fix.THREE_D)
    assert last.lat_deg is not None
    assert last.lon_deg is not None
    assert math.isclose(last.lat_deg, lat_deg, abs_tol=1e-6)
    assert math.isclose(last.lon_deg, lon_deg, abs_tol=1e-6)


def test_no_fix_never_becomes_a_position() -> None:
    """Void sentences yield a position without coordinates."""
    sent = encode_second(SentFix(unix_us=NOON_US, lat_deg=None, lon_deg=None))
    positions = [e for e in decoded("nmea", sent) if isinstance(e, Position)]

    assert positions
    assert all(p.fix is Fix.NONE and p.lat_deg is None for p in positions)


def test_covering_arrives_for_the_right_camera() -> None:
    """Both events of a covered camera are read with its name and state."""
    events = [
        event
        for message in cover_events("cam-dock", covered=True, unix_us=NOON_US)
        for event in onvif.decode_message(message.topic, message.payload.encode())
    ]

    assert [(e.camera, e.what, e.active) for e in events if isinstance(e, SceneChange)] == [
        ("cam-dock", SceneFault.DARK, True),
        ("cam-dock", SceneFault.MOVED, True),
    ]


def test_frigates_messages_arrive() -> None:
    """Status and tracked objects are read with camera, phase and zone."""
    online = status("cam-dock", "detect", "online")
    track = Track(
        id="1.5-abcdef", camera="cam-dock", label="person", zone="hall-a", start_unix_us=NOON_US
    )
    new = track_event(track, "new", NOON_US)

    (alive,) = frigate.decode_message(online.topic, online.payload.encode())
    (seen,) = frigate.decode_message(new.topic, new.payload.encode())
    assert alive == CameraStatus(camera="cam-dock", role="detect", status="online")
    assert isinstance(seen, CameraObject)
    assert (seen.camera, seen.phase.value, seen.zones) == ("cam-dock", "new", ("hall-a",))


def test_modbus_reply_is_not_mistaken_for_a_scale() -> None:
    """The wrong device on a port never becomes a weight."""
    for name in ("scale-ad", "scale-tscale", "scale-ohaus", "scale-sics"):
        events = decoded(name, rtu_reply(1, b"\x03\x04\x00\x00\x18\x10") * 20)
        assert not [event for event in events if isinstance(event, Weight)]
