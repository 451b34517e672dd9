"""EPC codes beyond the published vectors."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.decode.epc import decode_epc, encode_epc

DIGITS = st.text("0123456789", min_size=0)


@pytest.mark.parametrize(
    ("code", "tag_uri"),
    [
        ("3074257BF7194E4000001A85", "urn:epc:tag:sgtin-96:3.0614141.812345.6789"),
        ("3174257BF4499602D2000000", "urn:epc:tag:sscc-96:3.0614141.1234567890"),
        ("3274257BF46072000000162E", "urn:epc:tag:sgln-96:3.0614141.12345.5678"),
        ("3374257BF40C0E400000162E", "urn:epc:tag:grai-96:3.0614141.12345.5678"),
        ("3474257BF40000000000162E", "urn:epc:tag:giai-96:3.0614141.5678"),
    ],
)
def test_the_standards_96_bit_examples(code: str, tag_uri: str) -> None:
    """The five schemes that pallets carry, in both directions."""
    assert decode_epc(bytes.fromhex(code)).tag_uri == tag_uri
    assert encode_epc(tag_uri).hex().upper() == code


@pytest.mark.parametrize(
    "code",
    [
        pytest.param("", id="nothing"),
        pytest.param("E200001D7315016521408FC6", id="a chip maker's default"),
        pytest.param("307C257BF7194E4000001A85", id="partition 7"),
        pytest.param("30", id="header alone"),
        pytest.param("3070FFFFFFFFFF4000001A85", id="company prefix too large"),
        pytest.param("3174257BF4499602D2000001", id="reserved bits set"),
        pytest.param("36500001DB011169" + "FF" * 18, id="text not printable"),
        pytest.param("3B156390F3A00000", id="a full stop in six bits"),
        pytest.param("3B15CD06DD720000", id="a bracket in six bits"),
        pytest.param("00" * 63, id="too long"),
    ],
)
def test_what_is_not_understood_stays_raw(code: str) -> None:
    """Unknown headers and malformed codes keep their hex and nothing else."""
    epc = decode_epc(bytes.fromhex(code))

    assert (epc.hex, epc.scheme, epc.tag_uri, epc.id_uri) == (code, None, None, None)


@given(st.binary(max_size=62))
def test_any_bytes_decode_and_what_has_a_uri_encodes_again(code: bytes) -> None:
    """Decoding never raises; a URI gives the same code back, but for padding."""
    epc = decode_epc(code)
    if epc.tag_uri is not None:
        again = encode_epc(epc.tag_uri)
        assert again.rstrip(b"\0") == code.rstrip(b"\0")


@pytest.mark.parametrize(
    "uri",
    [
        "urn:epc:tag:sgtin-198:3.0614141.812345.32a%2Fb.7",
        "urn:epc:tag:giai-202:0.0614141.a.b..c",
        "urn:epc:tag:gdti-174:0.0614141.12345.ABCD2:34%2F",
        "urn:epc:tag:adi-var:3.35962.PQ7VZ4.M37GXB92",
        "urn:epc:tag:adi-var:3.W81X9C..%2312-%2F",
    ],
)
def test_text_round_trip(uri: str) -> None:
    """A serial may hold full stops, colons and escapes; a part number may be empty."""
    assert decode_epc(encode_epc(uri)).tag_uri == uri


@given(st.integers(0, 7), st.integers(6, 12), st.data())
def test_sgtin_round_trip(filter_value: int, company_digits: int, data: st.DataObject) -> None:
    """Every length of company prefix survives, leading zeros included."""
    company = data.draw(st.text("0123456789", min_size=company_digits, max_size=company_digits))
    left = 13 - company_digits
    item = data.draw(st.text("0123456789", min_size=left, max_size=left))
    serial = data.draw(st.integers(0, 2**38 - 1))
    uri = f"urn:epc:tag:sgtin-96:{filter_value}.{company}.{item}.{serial}"

    assert decode_epc(encode_epc(uri)).tag_uri == uri


@pytest.mark.parametrize(
    "uri",
    [
        "urn:epc:id:sgtin:0614141.812345.6789",
        "urn:epc:tag:none-96:1.2.3",
        "urn:epc:tag:sgtin-96:3.0614141.812345",
        "urn:epc:tag:sgtin-96:8.0614141.812345.1",
        "urn:epc:tag:sgtin-96:3.06141.81234567.1",
        "urn:epc:tag:sgtin-96:3.0614141.81234.1",
        "urn:epc:tag:sgtin-96:3.0614141.812345.274877906944",
        "urn:epc:tag:sgtin-96:3.0614141.812345.01",
        "urn:epc:tag:sgtin-198:3.0614141.812345.",
        "urn:epc:tag:sgtin-198:3.0614141.812345." + "x" * 21,
        "urn:epc:tag:sgtin-198:3.0614141.812345.a b",
        "urn:epc:tag:adi-var:3.35962.pq7vz4.M37GXB92",
        "urn:epc:tag:adi-var:3.35962.PQ7VZ4.",
    ],
)
def test_a_uri_that_does_not_fit_is_refused(uri: str) -> None:
    """Nothing is cut off or guessed when a code is written."""
    with pytest.raises(ValueError, match=r"tag URI|value|company prefix"):
        encode_epc(uri)
