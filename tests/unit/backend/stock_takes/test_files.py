"""What a handheld reader's file says, and what is none; codes; a count held against a lot."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backend.errors import InvalidError
from backend.ids import ItemId
from backend.stock_takes.rules.epc import identity_of, parse_epc
from backend.stock_takes.rules.files import (
    FILE_BYTES_MAX,
    TAGS_MAX,
    parse_csv,
    parse_epcis,
    tags_of,
)
from backend.stock_takes.rules.reconcile import BACK_MAX, SKEW_MAX, check_time, reconcile
from backend.stock_takes.types import Result, TagRead

AT = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
# GS1 EPC Tag Data Standard, E.3: SGTIN-96 and SSCC-96 of company 0614141.
SGTIN_HEX, SGTIN = "3074257bf7194e4000001a85", "urn:epc:id:sgtin:0614141.812345.6789"
SSCC_HEX, SSCC = "3174257bf4499602d2000000", "urn:epc:id:sscc:0614141.1234567890"


def event(**overrides: Any) -> dict[str, Any]:  # noqa: ANN401 - of an event
    """Return an event of taking stock."""
    return {
        "type": "ObjectEvent",
        "action": "OBSERVE",
        "bizStep": "stock_taking",
        "eventTime": "2026-11-22T12:00:00Z",
        "eventTimeZoneOffset": "+00:00",
        "epcList": [SGTIN],
        **overrides,
    }


def document(*events: object, **overrides: Any) -> bytes:  # noqa: ANN401 - of a document
    """Return an EPCIS document."""
    return json.dumps(
        {
            "@context": ["https://ref.gs1.org/standards/epcis/2.0.0/epcis-context.jsonld"],
            "type": "EPCISDocument",
            "schemaVersion": "2.0",
            "creationDate": "2026-11-22T12:00:00Z",
            "epcisBody": {"eventList": list(events)},
            **overrides,
        }
    ).encode()


def test_codes_of_the_standards_examples() -> None:
    """The tags of the standard's own examples have the identities that it gives."""
    assert identity_of(bytes.fromhex(SGTIN_HEX)) == SGTIN
    assert identity_of(bytes.fromhex(SSCC_HEX)) == SSCC


@given(epc=st.binary(max_size=64))
def test_any_code_has_an_identity_or_none(epc: bytes) -> None:
    """What a tag holds is never a crash, and its identity is one that a file may name."""
    identity = identity_of(epc)
    assert identity is None or parse_epc(identity) == identity


@pytest.mark.parametrize(
    ("text", "epc"),
    [
        (SGTIN_HEX, bytes.fromhex(SGTIN_HEX)),
        (f" {SGTIN_HEX.upper()} ", bytes.fromhex(SGTIN_HEX)),
        (f"urn:epc:raw:96.x{SGTIN_HEX.upper()}", bytes.fromhex(SGTIN_HEX)),
        (SGTIN, SGTIN),
    ],
)
def test_code_is_read_in_each_form(text: str, epc: bytes | str) -> None:
    """Hexadecimal, raw URI, pure identity."""
    assert parse_epc(text) == epc


@pytest.mark.parametrize("text", ["", "3", "xyz", "urn:epc:raw:95.x30", "urn:epc:id:gln:1.2"])
def test_what_is_no_code_is_refused(text: str) -> None:
    """Neither of them."""
    with pytest.raises(ValueError, match="urn:epc:raw"):
        parse_epc(text)


def test_csv_gives_tags_with_their_times() -> None:
    """Columns by name, in any order; empty lines and further columns are passed over."""
    content = f"read_at,site,EPC\n2026-11-22T12:00:00Z,x,{SGTIN_HEX}\n\n,,{SSCC_HEX}\n".encode()
    assert parse_csv(content) == [
        (bytes.fromhex(SGTIN_HEX), AT),
        (bytes.fromhex(SSCC_HEX), None),
    ]


@pytest.mark.parametrize(
    ("content", "field"),
    [
        (b"", "line 1"),
        (b"tag\n30", "line 1"),
        (b"epc\nzz", "line 2: epc"),
        (b"epc,read_at\n30,yesterday", "line 2: read_at"),
        (b"epc,read_at\n30,2026-11-22T12:00:00", "line 2: read_at"),
        (b"\xff", "file"),
        (b"epc\n" + b"30\n" * (TAGS_MAX + 1), "tags"),
        (b"x" * (FILE_BYTES_MAX + 1), "file"),
    ],
)
def test_what_is_no_such_csv_is_refused(content: bytes, field: str) -> None:
    """With the line and the column."""
    with pytest.raises(InvalidError) as refused:
        parse_csv(content)
    assert refused.value.detail["field"] == field


@pytest.mark.parametrize(
    "step", ["stock_taking", "cycle_counting", "https://ref.gs1.org/cbv/BizStep-stock_taking"]
)
def test_epcis_gives_tags_with_their_times(step: str) -> None:
    """An event of taking stock, its business step bare or as a URI."""
    assert parse_epcis(document(event(bizStep=step, epcList=[SGTIN, SGTIN_HEX]))) == [
        (SGTIN, AT),
        (bytes.fromhex(SGTIN_HEX), AT),
    ]


@pytest.mark.parametrize(
    ("content", "field"),
    [
        (b"{", "file"),
        (b"[]", "document"),
        (document(type="Other"), "document.type"),
        (document(schemaVersion="1.2"), "document.schemaVersion"),
        (document(epcisBody=None), "epcisBody"),
        (document(epcisBody={}), "epcisBody.eventList"),
        (document(3), "eventList[0]"),
        (document(event(type="AggregationEvent")), "eventList[0].type"),
        (document(event(), event(action="ADD")), "eventList[1].action"),
        (document(event(bizStep="shipping")), "eventList[0].bizStep"),
        (document(event(bizStep=None)), "eventList[0].bizStep"),
        (document(event(eventTime="noon")), "eventList[0].eventTime"),
        (document(event(epcList={})), "eventList[0].epcList"),
        (document(event(epcList=["?"])), "eventList[0].epcList[0]"),
        (document(event(epcList=[3])), "eventList[0].epcList[0]"),
    ],
)
def test_what_is_no_such_document_is_refused(content: bytes, field: str) -> None:
    """With the place in the document."""
    with pytest.raises(InvalidError) as refused:
        parse_epcis(content)
    assert refused.value.detail["field"] == field


@given(content=st.binary(max_size=200))
def test_noise_is_refused_or_read(content: bytes) -> None:
    """Whatever the bytes: tags, or a refusal."""
    for parse in (parse_csv, parse_epcis):
        try:
            parse(content)
        except InvalidError:
            continue


def test_tags_are_taken_once_at_their_last_time() -> None:
    """Read ten times is read once; an identity is the lot's own tag, when it has such a one."""
    epc = bytes.fromhex(SGTIN_HEX)
    later = AT + timedelta(minutes=1)
    tags = tags_of([(epc, AT), (SGTIN, later), (epc, None)], {SGTIN: epc})
    assert tags == (TagRead(epc=epc, at=later),)
    foreign = tags_of([(SGTIN, AT)], {})
    assert (len(foreign), foreign[0].epc.startswith(b"urn:")) == (1, True)


EPCS = st.binary(min_size=1, max_size=3)


@given(registered=st.sets(EPCS), read=st.sets(EPCS))
def test_each_item_is_found_or_not_and_all_others_are_foreign(
    registered: set[bytes], read: set[bytes]
) -> None:
    """Every item once, every other tag once."""
    items = {epc: (ItemId(UUID(int=n)), str(n)) for n, epc in enumerate(sorted(registered))}
    lines = reconcile(tuple(TagRead(epc=epc) for epc in sorted(read)), items)
    by = {result: {li.epc for li in lines if li.result is result} for result in Result}
    assert by[Result.FOUND] == registered & read
    assert by[Result.NOT_FOUND] == registered - read
    assert by[Result.FOREIGN] == read - registered
    assert len(lines) == len(registered | read)


@pytest.mark.parametrize("at", [AT - BACK_MAX - SKEW_MAX, AT + 2 * SKEW_MAX])
def test_a_count_of_another_time_is_refused(at: datetime) -> None:
    """Too long ago, or not yet."""
    with pytest.raises(InvalidError):
        check_time(at, AT)
    check_time(AT, AT)
