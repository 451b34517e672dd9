"""Release orders and party keys: one encoding each, and a refusal of everything else."""

from dataclasses import replace
from typing import Any
from uuid import UUID

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.cose import Sign1
from schemas.errors import MalformedError
from schemas.release import (
    ITEMS_MAX,
    PartyKey,
    ReleaseOrder,
    decode_order,
    decode_party_key,
    encode_order,
    encode_party_key,
    key_content_type,
    order_content_type,
)

ORDER = ReleaseOrder(
    id=UUID(int=1),
    lender=UUID(int=2),
    lot=UUID(int=3),
    items=(UUID(int=4), UUID(int=5)),
    mass_g=2_000_000,
    begins_unix_us=1_795_348_800_000_000,
    ends_unix_us=1_795_352_400_000_000,
    zone=UUID(int=6),
    into_lot=None,
    executor=UUID(int=7),
    issued_unix_us=1_795_348_700_000_000,
)
# The bytes of version 1, for ever.
GOLDEN = (
    "8b50000000000000000000000000000000015000000000000000000000000000000002"
    "5000000000000000000000000000000003825000000000000000000000000000000004"
    "50000000000000000000000000000000051a001e84801b000660dc3778d0001b000660"
    "dd0e0c74005000000000000000000000000000000006f6500000000000000000000000"
    "00000000071b000660dc3182ef00"
)
UUIDS = st.uuids()
TIMES = st.integers(min_value=0, max_value=2**53 - 2)


def message(payload: bytes, content_type: str = order_content_type()) -> Sign1:
    """Return a message that nobody signed."""
    return Sign1(
        protected=b"",
        payload=payload,
        signature=bytes(64),
        content_type=content_type,
        key_id=bytes(16),
    )


def test_bytes_of_version_1_stay() -> None:
    """What was signed once is read for ever."""
    assert encode_order(ORDER).hex() == GOLDEN
    assert decode_order(message(bytes.fromhex(GOLDEN))) == ORDER


@given(
    ids=st.tuples(UUIDS, UUIDS, UUIDS, UUIDS),
    items=st.sets(UUIDS, max_size=5),
    mass_g=st.integers(min_value=1, max_value=10**15),
    begins=TIMES,
    zone=st.none() | UUIDS,
)
def test_an_order_is_read_as_it_was_written(
    ids: tuple[UUID, ...], items: set[UUID], mass_g: int, begins: int, zone: UUID | None
) -> None:
    """Whatever it says."""
    order = ReleaseOrder(
        id=ids[0],
        lender=ids[1],
        lot=ids[2],
        items=tuple(sorted(items)),
        mass_g=mass_g,
        begins_unix_us=begins,
        ends_unix_us=begins + 1,
        zone=zone,
        into_lot=zone,
        executor=ids[3],
        issued_unix_us=begins,
    )
    assert decode_order(message(encode_order(order))) == order


@pytest.mark.parametrize(
    "changes",
    [
        {"items": (UUID(int=5), UUID(int=4))},
        {"items": (UUID(int=4), UUID(int=4))},
        {"items": tuple(UUID(int=n) for n in range(ITEMS_MAX + 1))},
        {"mass_g": 0},
        {"mass_g": 10**15 + 1},
        {"ends_unix_us": ORDER.begins_unix_us},
        {"ends_unix_us": 2**53},
        {"zone": None, "into_lot": UUID(int=9)},
    ],
)
def test_what_an_order_may_not_say_is_refused(changes: dict[str, Any]) -> None:
    """Out of order, twice, too many, nothing, too much, backwards, a lot nowhere."""
    with pytest.raises(MalformedError):
        decode_order(message(encode_order(replace(ORDER, **changes))))


def test_another_encoding_of_the_same_is_refused() -> None:
    """A length in two bytes where one suffices would be another text of the same order."""
    encoded = encode_order(ORDER)
    longer = encoded[:1] + b"\x58\x10" + encoded[2:]
    assert cbor2.loads(longer) == cbor2.loads(encoded)
    with pytest.raises(MalformedError):
        decode_order(message(longer))


@given(payload=st.binary(max_size=200))
def test_noise_is_refused(payload: bytes) -> None:
    """Whatever the bytes, nothing but a refusal."""
    with pytest.raises(MalformedError):
        decode_order(message(payload))
    with pytest.raises(MalformedError):
        decode_party_key(message(payload, key_content_type()))


def test_a_key_is_no_order() -> None:
    """The content type is signed with the rest."""
    key = PartyKey(party=UUID(int=2), public_key=bytes(32), ends_unix_us=1)
    assert decode_party_key(message(encode_party_key(key), key_content_type())) == key
    with pytest.raises(MalformedError):
        decode_order(message(encode_party_key(key), key_content_type()))
    with pytest.raises(MalformedError):
        decode_party_key(message(encode_order(ORDER)))
