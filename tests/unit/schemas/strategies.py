"""Hypothesis strategies for whole envelopes and receipts."""

from typing import Any

from hypothesis import strategies as st

from schemas.bodies import encode_body
from schemas.command import NONCE_BYTES, Challenge, Command, Configure, Rotate
from schemas.digest import SPAN_US_MAX as DIGEST_SPAN_US_MAX
from schemas.digest import Digest
from schemas.envelope import (
    EPC_BYTES_MAX,
    HASH_BYTES,
    NUMBER_MAX,
    READINGS_MAX,
    SPAN_US_MAX,
    Clock,
    ClockState,
    Envelope,
    Events,
    Scalars,
    Sightings,
)
from schemas.quantities import EventType, Quantity
from schemas.receipt import Receipt, StreamState
from tests.conformance.vectors import column

_ROWS_MAX = 5
NAMES = st.from_regex(r"[a-z0-9][a-z0-9._-]{0,63}", fullmatch=True)
NUMBERS = st.integers(0, NUMBER_MAX)
HASHES = st.binary(min_size=HASH_BYTES, max_size=HASH_BYTES)
TEXTS = st.text(st.characters(exclude_characters="\0", codec="utf-8"), max_size=8)
PLAIN_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXTS
    | st.binary(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=6,
)
BODIES = st.dictionaries(TEXTS, PLAIN_VALUES, max_size=3)


def _rows(elements: st.SearchStrategy[Any], *, at_least: int = 0) -> st.SearchStrategy[list[Any]]:
    return st.lists(elements, min_size=at_least, max_size=_ROWS_MAX)


def _columns(code: str, rows: list[Any], part: int) -> memoryview:
    return column(code, [row[part] for row in rows])


@st.composite
def envelopes(draw: st.DrawFn) -> Envelope:
    """Return any envelope that a gateway may seal."""
    return Envelope(
        gateway=draw(NAMES),
        number=draw(st.integers(1, NUMBER_MAX)),
        previous_sha256=draw(HASHES),
        readings_before=draw(NUMBERS),
        base_unix_us=draw(NUMBERS),
        **draw(_contents("I", SPAN_US_MAX)),
    )


@st.composite
def digests(draw: st.DrawFn) -> Digest:
    """Return any digest that a gateway may make."""
    content = draw(_contents("Q", DIGEST_SPAN_US_MAX))
    kept = sum(len(content[group]) for group in ("scalars", "sightings", "events"))
    envelopes = draw(st.integers(1, 5_000))
    readings = draw(st.integers(max(kept, envelopes), envelopes * READINGS_MAX))
    first = draw(st.integers(1, NUMBER_MAX - envelopes + 1))
    return Digest(
        gateway=draw(NAMES),
        first_number=first,
        number=first + envelopes - 1,
        previous_sha256=draw(HASHES),
        last_sha256=draw(HASHES),
        readings_before=draw(st.integers(0, NUMBER_MAX - readings)),
        readings=readings,
        base_unix_us=draw(NUMBERS),
        **content,
    )


@st.composite
def _contents(draw: st.DrawFn, offset: str, span_us_max: int) -> dict[str, Any]:
    """Return the fields that envelopes and digests share; offsets are of that type."""
    table = draw(
        st.lists(
            st.tuples(NAMES, st.none() | st.sampled_from(Quantity)),
            min_size=1,
            max_size=4,
            unique=True,
        )
    )
    measuring = [index for index, (_, quantity) in enumerate(table) if quantity is not None]
    scalars = draw(_scalars(measuring, span_us_max)) if measuring else []
    sightings = draw(_sightings(len(table), span_us_max))
    at_least = 0 if scalars or sightings else 1
    events = draw(_events(len(table), span_us_max, at_least=at_least))
    return {
        "clock": Clock(
            state=draw(st.sampled_from(ClockState)),
            boot_id=draw(st.binary(min_size=16, max_size=16)),
            monotonic_us=draw(NUMBERS),
        ),
        "sensors": tuple(table),
        "scalars": Scalars(
            sensor=_columns("H", scalars, 0),
            offset_us=_columns(offset, scalars, 1),
            value=_columns("d", scalars, 2),
            quality=_columns("B", scalars, 3),
        ),
        "sightings": Sightings(
            sensor=_columns("H", sightings, 0),
            offset_us=_columns(offset, sightings, 1),
            epc_length=column("B", [len(row[2]) for row in sightings]),
            epcs=b"".join(row[2] for row in sightings),
            antenna=_columns("B", sightings, 3),
            rssi_cdbm=_columns("h", sightings, 4),
            count=_columns("H", sightings, 5),
        ),
        "events": Events(
            sensor=_columns("H", events, 0),
            offset_us=_columns(offset, events, 1),
            type=[row[2] for row in events],
            body=[encode_body(row[3]) for row in events],
            image_sha256=[row[4] for row in events],
        ),
    }


def _scalars(measuring: list[int], span_us_max: int) -> st.SearchStrategy[list[Any]]:
    index, offset_us = st.sampled_from(measuring), st.integers(0, span_us_max)
    finite = st.floats(allow_nan=False, allow_infinity=False)
    return _rows(
        st.tuples(index, offset_us, finite, st.integers(0, 3))
        | st.tuples(index, offset_us, st.floats(), st.just(3))
    )


def _sightings(sensors: int, span_us_max: int) -> st.SearchStrategy[list[Any]]:
    return _rows(
        st.tuples(
            st.integers(0, sensors - 1),
            st.integers(0, span_us_max),
            st.binary(max_size=EPC_BYTES_MAX),
            st.integers(0, 255),
            st.integers(-(2**15), 2**15 - 1),
            st.integers(0, 2**16 - 1),
        )
    )


def _events(sensors: int, span_us_max: int, *, at_least: int) -> st.SearchStrategy[list[Any]]:
    return _rows(
        st.tuples(
            st.integers(0, sensors - 1),
            st.integers(0, span_us_max),
            st.sampled_from(EventType),
            BODIES,
            st.none() | HASHES,
        ),
        at_least=at_least,
    )


def receipts() -> st.SearchStrategy[Receipt]:
    """Return any receipt that a backend may issue."""
    return st.builds(
        Receipt,
        gateway=NAMES,
        number=NUMBERS,
        sha256=HASHES,
        readings=NUMBERS,
        state=st.sampled_from(StreamState),
        issued_unix_us=NUMBERS,
    )


@st.composite
def commands(draw: st.DrawFn) -> Command:
    """Return any command that a backend may issue."""
    issued_unix_us = draw(NUMBERS)
    return Command(
        gateway=draw(NAMES),
        number=draw(st.integers(1, NUMBER_MAX)),
        issued_unix_us=issued_unix_us,
        expires_unix_us=draw(st.integers(issued_unix_us, NUMBER_MAX)),
        order=draw(
            st.builds(Challenge, st.binary(min_size=NONCE_BYTES, max_size=NONCE_BYTES))
            | st.builds(Configure, st.none() | TEXTS)
            | st.just(Rotate())
        ),
    )
