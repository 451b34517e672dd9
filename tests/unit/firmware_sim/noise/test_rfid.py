"""UHF reads against the table of the design: how often, how strongly, what comes in between."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_sim.noise import PROFILES, Field, Heard, NoiseProfile, Reads, TagReads, seeded

SITE = PROFILES["site"]
CLEAR = replace(SITE, blockage_per_s=0.0, reader_outages_per_day=0.0, duplicate=0.0, ghost=0.0)
TAGS = tuple(Heard(epc=f"{n:024X}", shelf="a") for n in range(400))
DAY = 86_400


def rounds(
    profile: NoiseProfile, field: Field, count: int, *, seed: int = 1
) -> tuple[TagReads, Reads]:
    """Return a reader and its reads of so many rounds of a second."""
    reads = TagReads(profile, seeded(seed, "reads"))
    return reads, reads.rounds(field, count, 1.0)


def rates(reads: Reads, tags: int, count: int) -> np.ndarray:
    """Return the share of rounds in which each tag was read."""
    return np.bincount(reads.tag, minlength=tags) / count


def test_tags_are_of_three_kinds() -> None:
    """80 % read well, 15 % so so and 5 % badly, each around the mean of its distribution."""
    share = rates(rounds(CLEAR, Field(here=TAGS), 400)[1], len(TAGS), 400)

    assert share.mean() == pytest.approx(0.8 * 0.9 + 0.15 * 0.65 + 0.05 * 0.25, abs=0.02)
    assert 0.02 < np.mean(share < 0.45) < 0.10
    assert 0.70 < np.mean(share > 0.75) < 0.90


def test_a_shelf_can_have_tags_of_its_own() -> None:
    """A lot of liquids reads as its own mix says."""
    reads = TagReads(CLEAR, seeded(1, "reads"), {"a": ((1.0, 2.5, 7.5),)})
    share = rates(reads.rounds(Field(here=TAGS), 200, 1.0), len(TAGS), 200)

    assert share.mean() == pytest.approx(0.25, abs=0.03)


def test_a_shelf_is_blocked_as_a_whole_for_minutes() -> None:
    """A blockage comes after 1,000 s on average, lasts 300 s, and takes nine reads of ten."""
    sure = replace(CLEAR, tag_betas=((1.0, 9e6, 1.0),), blockage_per_s=SITE.blockage_per_s)
    other = tuple(Heard(epc=f"{n:024X}", shelf="b") for n in range(900, 940))
    count = 5 * DAY
    reads = rounds(sure, Field(here=TAGS[:40] + other), count)[1]
    a = np.bincount(reads.round[reads.tag < 40], minlength=count) / 40
    b = np.bincount(reads.round[reads.tag >= 40], minlength=count) / 40
    blocked = a < 0.5

    assert blocked.mean() == pytest.approx(300 / 1_300, rel=0.25)
    assert a[blocked].mean() == pytest.approx(0.1, abs=0.01)
    entered = np.count_nonzero(blocked[1:] & ~blocked[:-1])
    assert blocked.sum() / entered == pytest.approx(300, rel=0.25)
    assert np.corrcoef(a, b)[0, 1] == pytest.approx(0.0, abs=0.12)


def test_a_reader_is_out_once_a_day_for_five_minutes() -> None:
    """No round is heard in an outage, and no tag read."""
    out = replace(CLEAR, reader_outages_per_day=1.0)
    _, reads = rounds(out, Field(here=TAGS[:2]), 60 * DAY)

    assert np.count_nonzero(~reads.listened) == pytest.approx(60 * 300, rel=0.4)
    assert reads.listened[reads.round].all()


def test_neighbours_are_read_seldom_and_weakly() -> None:
    """A tag next door is read in 2 % of the rounds, 12 dB down."""
    _, near = rounds(CLEAR, Field(here=(), near=TAGS), 500)
    _, here = rounds(CLEAR, Field(here=TAGS), 500)

    assert len(near.tag) / (500 * len(TAGS)) == pytest.approx(0.02, rel=0.03)
    levels = [
        np.array([reads.rssi_cdbm[reads.tag == n].mean() for n in range(200)])
        for reads in (near, here)
    ]
    assert np.mean(levels[1] - levels[0]) == pytest.approx(1_200, abs=60)


def test_strength_spreads_by_three_decibels() -> None:
    """The reads of one tag spread as the profile says."""
    _, reads = rounds(CLEAR, Field(here=TAGS[:20]), 5_000)
    spread = [reads.rssi_cdbm[reads.tag == n].std() for n in range(20)]

    assert np.mean(spread) == pytest.approx(300, rel=0.05)


def test_one_read_in_a_hundred_comes_twice_and_one_in_a_million_wrong() -> None:
    """Duplicates are reads of the same round; a ghost has one word that no tag has."""
    doubled = replace(CLEAR, duplicate=0.01, ghost=1e-3)
    reader, reads = rounds(doubled, Field(here=TAGS[:50]), 5_000)
    cells = reads.round.astype(np.int64) * len(reader.epcs) + reads.tag
    known = {bytes.fromhex(tag.epc) for tag in TAGS}
    ghosts = [epc for epc in reader.epcs if epc not in known]

    assert 1.0 - len(np.unique(cells)) / len(cells) == pytest.approx(0.01, rel=0.1)
    assert len(ghosts) == pytest.approx(1e-3 * len(cells), rel=0.3)
    wrong = np.frombuffer(b"".join(ghosts), dtype=">u2").reshape(-1, 6)
    assert all((row[:5] == 0).sum() + (row[5] < 50) >= 5 for row in wrong)


def test_a_shielded_tag_is_read_by_its_factor() -> None:
    """A tag behind half a foil is read half as often, with a dead one not at all."""
    tags = (TAGS[0], replace(TAGS[1], factor=0.0), replace(TAGS[0], epc="A" * 24, factor=0.5))
    sure = replace(CLEAR, tag_betas=((1.0, 9e6, 1.0),))
    share = rates(rounds(sure, Field(here=tags), 4_000)[1], 3, 4_000)

    assert share == pytest.approx([1.0, 0.0, 0.5], abs=0.03)


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(0, 700), min_size=1, max_size=6), st.integers(0, 99))
def test_rounds_do_not_depend_on_the_cuts(cuts: list[int], seed: int) -> None:
    """A reader asked in pieces says what it says when asked at once."""
    busy = replace(SITE, reader_outages_per_day=200.0, ghost=1e-3)
    field = Field(here=TAGS[:9], near=TAGS[9:20])
    _, whole = rounds(busy, field, sum(cuts), seed=seed)
    pieces = TagReads(busy, seeded(seed, "reads"))
    parts, start = list[list[np.ndarray]](), 0
    for count in cuts:
        part = pieces.rounds(field, count, 1.0)
        parts.append([part.round + start, part.tag, part.rssi_cdbm])
        start += count

    for column, expected in zip(
        map(np.concatenate, zip(*parts, strict=True)),
        (whole.round, whole.tag, whole.rssi_cdbm),
        strict=True,
    ):
        assert np.array_equal(column, expected)
