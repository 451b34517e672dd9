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
from firmware_sim.devices.gnss_ubx import Sky, Ublox, nav_pvt
from firmware_sim.devices.modbus import rtu_reply
from firmware_sim.devices.rfid import TagSeen
from firmware_sim.devices.rfid_chafon import Chafon, Model
from firmware_sim.devices.rfid_yr903 import Yr903
from firmware_sim.devices.rfid_yrm100 import ErrorCode, Yrm100, error, notice
from firmware_sim.devices.scale_lines import Shown
from firmware_sim.devices.serial import ENCODERS
from firmware_sim.plan import ScaleForm
from gateway.decode import frigate, onvif
from gateway.decode.chafon import encode_inventory_18, encode_inventory_288
from gateway.decode.events import (
    CameraObject,
    CameraStatus,
    Event,
    Fault,
    FaultWhy,
    Fix,
    GnssIntegrity,
    Jamming,
    Position,
    ReaderReply,
    SceneChange,
    SceneFault,
    Spoofing,
    TagRead,
    Weight,
)
from gateway.decode.families import FAMILIES
from gateway.decode.ubx_setup import encode_setup
from gateway.decode.yr903 import encode_inventory as encode_yr903_inventory
from gateway.decode.yrm100 import encode_inventory, encode_inventory_many, encode_inventory_stop

NOON_US = 1_772_625_906_000_000


def decoded(family: str, sent: bytes) -> list[Event]:
    """Return what the gateway's decoder makes of ``sent``."""
    decoder = FAMILIES[family].make()
    return [*decoder.feed(sent), *decoder.flush()]


def _words(count: int) -> st.SearchStrategy[bytes]:
    return st.binary(min_size=2 * count, max_size=2 * count)


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


@given(
    antenna=st.integers(0, 7),
    tags=st.lists(
        st.tuples(st.integers(1, 31).flatmap(_words), st.integers(-98, -31)), max_size=40
    ),
)
def test_every_tag_of_a_yr903_is_read(antenna: int, tags: list[tuple[bytes, int]]) -> None:
    """EPC, signal strength and antenna of each read arrive, and the round's end."""
    reader = Yr903(antenna=antenna)
    assert reader.feed(encode_yr903_inventory()) == b""
    sent = reader.round([TagSeen(epc=epc, rssi_dbm=rssi_dbm) for epc, rssi_dbm in tags], 1.0)
    *reads, end = decoded("rfid-yr903", sent)

    assert [(e.epc, e.rssi_dbm) for e in reads if isinstance(e, TagRead)] == tags
    assert {e.antenna for e in reads if isinstance(e, TagRead)} <= {antenna + 1}
    assert len(reads) == len(tags)
    assert isinstance(end, ReaderReply)


@given(
    model=st.sampled_from(Model),
    epcs=st.lists(st.integers(1, 31).flatmap(_words), max_size=40),
)
def test_every_tag_of_a_chafon_is_read(model: Model, epcs: list[bytes]) -> None:
    """The tags of all blocks arrive from either command set, and the inventory's end."""
    reader = Chafon(model)
    newer = model is Model.UHFREADER288
    assert reader.feed(encode_inventory_288() if newer else encode_inventory_18()) == b""
    sent = reader.round([TagSeen(epc=epc, rssi_dbm=-60.0) for epc in epcs], 1.0)
    *reads, end = decoded("rfid-chafon", sent)

    assert [e.epc for e in reads if isinstance(e, TagRead)] == epcs
    assert len(reads) == len(epcs)
    assert isinstance(end, ReaderReply)


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


@given(
    lat_deg=st.floats(-90.0, 90.0),
    lon_deg=st.floats(-180.0, 180.0),
    time_us=st.integers(315_964_800_000_000, 4_000_000_000_000_000),
)
def test_ubx_position_arrives(lat_deg: float, lon_deg: float, time_us: int) -> None:
    """A navigation solution is a position at the right place and time, to 1e-7 degrees."""
    sent = nav_pvt(SentFix(unix_us=time_us, lat_deg=lat_deg, lon_deg=lon_deg))
    (position,) = decoded("ubx", sent)

    assert isinstance(position, Position)
    assert (position.time_us, position.fix) == (time_us, Fix.THREE_D)
    assert position.lat_deg is not None
    assert position.lon_deg is not None
    assert math.isclose(position.lat_deg, lat_deg, abs_tol=6e-8)
    assert math.isclose(position.lon_deg, lon_deg, abs_tol=6e-8)


def test_a_jammed_and_spoofed_receiver_is_heard() -> None:
    """What the receiver thinks of its signals arrives once a second, without a fix too."""
    receiver = Ublox(Sky(jamming=3, spoofing=2, cw_indicator=255))
    answers = receiver.feed(encode_setup())
    sent = receiver.second(SentFix(unix_us=NOON_US, lat_deg=None, lon_deg=None))
    events = decoded("ubx", answers + sent)

    assert [e for e in events if isinstance(e, GnssIntegrity)] == [
        GnssIntegrity(jamming=Jamming.CRITICAL, spoofing=Spoofing.INDICATED, cw_indicator=255)
    ]
    assert {e.fix for e in events if isinstance(e, Position)} == {Fix.NONE}


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
