"""Telling EPCs apart by one number a key, and what happens when two keys share it."""

import numpy as np

from backend.collateral.rules import sightings
from backend.telemetry.types import key_of

WORD = 2**64


def test_epcs_are_told_apart_by_length_too() -> None:
    """A zero at the end of an EPC belongs to it."""
    epcs = [b"\1", b"\1\0", b"\1\0\0", b"\1"]
    keys = np.array([np.frombuffer(key_of(epc), dtype=np.uint8) for epc in epcs])
    found, index = sightings.distinct(keys)
    assert [found[number] for number in index.tolist()] == epcs
    assert len(found) == 3


def test_keys_that_share_a_number_are_told_apart_all_the_same() -> None:
    """Somebody may choose the EPCs of tags so that their numbers are the same."""
    mix = [int(each) for each in vars(sightings)["_MIX"]]
    one, other = [7, 8], [(7 + mix[2]) % WORD, (8 - mix[1]) % WORD]
    epcs = [
        bytes(7) + b"".join(word.to_bytes(8, "little") for word in words) for words in (one, other)
    ]
    keys = np.array([np.frombuffer(key_of(epc), dtype=np.uint8) for epc in epcs])
    found, index = sightings.distinct(keys)
    assert [found[number] for number in index.tolist()] == epcs
