"""What cameras publish."""

import json

from firmware_sim.devices.camera_events import Track, cover_events, track_event, track_id

START_US = 1_607_123_955_475_377


def test_covering_is_two_onvif_property_events() -> None:
    """A covered camera is too dark and its scene has changed: retained, in the ONVIF JSON form."""
    dark, scene = cover_events("cam-dock", covered=True, unix_us=1_223_641_497_321_000)

    assert dark.topic == "cam-dock/onvif-ej/VideoSource/ImageTooDark/ImagingService/&VideoSource_1"
    assert scene.topic.startswith("cam-dock/onvif-ej/VideoSource/GlobalSceneChange/")
    assert dark.retain
    assert scene.retain
    # ONVIF Core, "JSON Event Payload": no PropertyOperation, quotes may be omitted for booleans.
    assert json.loads(dark.payload) == {
        "UtcTime": "2008-10-10T12:24:57.321Z",
        "Source": {"Source": "VideoSource_1"},
        "Data": {"State": True},
    }


def test_track_has_frigates_id_and_ends_with_a_time() -> None:
    """A track keeps its id from new to end, and only its end has an end time."""
    track = Track(
        id=track_id(START_US, "mxklsc"),
        camera="cam-dock",
        label="person",
        zone="hall-a",
        start_unix_us=START_US,
    )
    new = json.loads(track_event(track, "new", START_US).payload)
    end = json.loads(track_event(track, "end", START_US + 3_000_000).payload)

    assert track.id == "1607123955.475377-mxklsc"
    assert new["type"] == "new"
    assert new["after"]["end_time"] is None
    assert new["after"]["current_zones"] == ["hall-a"]
    assert end["after"]["id"] == new["after"]["id"]
    assert end["after"]["end_time"] == 1607123958.475377
    assert end["before"]["end_time"] is None
