"""HTTP as far as a camera needs it: requests, heads, chunks, logins."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.decode.http_answer import (
    HttpFaultError,
    Login,
    authorize,
    decode_chunk_size,
    decode_head,
    encode_request,
)

MUFASA = Login(username="Mufasa", password="Circle of Life")
REALM = 'realm="http-auth@example.org", qop="auth, auth-int"'
NONCE = "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v"
OPAQUE = "FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"
CNONCE = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ"


def test_request_closes_the_connection_after_it() -> None:
    """One request a connection, and no coding that would have to be undone."""
    request = encode_request("camera.local:8080", "/snapshot.jpg?channel=1", "Basic eDp5")

    assert request.startswith(
        b"GET /snapshot.jpg?channel=1 HTTP/1.1\r\nHost: camera.local:8080\r\n"
    )
    assert b"Connection: close\r\n" in request
    assert request.endswith(b"Authorization: Basic eDp5\r\n\r\n")


def test_head_is_read_whatever_the_case() -> None:
    """Names in any case, values without the blanks around them."""
    head = decode_head(b"HTTP/1.1 200 OK\r\ncontent-LENGTH:  12 \r\nX: y\r\n\r\n")

    assert (head.status, head.length, head.is_chunked) == (200, 12, False)


def test_chunked_body_has_no_length() -> None:
    """RFC 9112 6.3: the coding overrides a length."""
    head = decode_head(
        b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n"
    )

    assert head.is_chunked
    assert head.length is None


@pytest.mark.parametrize(
    "data",
    [
        b"ICY 200 OK\r\n\r\n",
        b"HTTP/2 200\r\n\r\n",
        b"HTTP/1.1 20\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        b"",
    ],
)
def test_what_is_no_head_is_refused(data: bytes) -> None:
    """By name, with its beginning."""
    with pytest.raises(HttpFaultError):
        decode_head(data)


@pytest.mark.parametrize("length", [b"-1", b"1e9", b"9" * 13, "\xb2".encode("latin-1")])
def test_length_that_is_no_number_is_refused(length: bytes) -> None:
    """A sign, an exponent, more digits than any image needs, a superscript."""
    head = decode_head(b"HTTP/1.1 200 OK\r\nContent-Length: " + length + b"\r\n\r\n")

    with pytest.raises(HttpFaultError):
        _ = head.length


def test_other_coding_is_refused() -> None:
    """Nothing is unpacked."""
    head = decode_head(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n")

    with pytest.raises(HttpFaultError, match="gzip"):
        _ = head.is_chunked


def test_chunk_sizes() -> None:
    """Hexadecimal, with or without an extension."""
    assert decode_chunk_size(b"1aF\r\n") == 0x1AF
    assert decode_chunk_size(b"0;last=1\r\n") == 0
    with pytest.raises(HttpFaultError):
        decode_chunk_size(b"-1\r\n")


@pytest.mark.parametrize(
    ("algorithm", "response"),
    [
        ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
        ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
    ],
)
def test_digest_of_the_standard(algorithm: str, response: str) -> None:
    """The example of RFC 7616, 3.9.1."""
    challenge = f'Digest {REALM}, algorithm={algorithm}, nonce="{NONCE}", opaque="{OPAQUE}"'

    proof = authorize(MUFASA, (challenge,), "/dir/index.html", CNONCE)

    assert proof is not None
    assert f'response="{response}"' in proof
    assert f"algorithm={algorithm}" in proof
    assert f'opaque="{OPAQUE}"' in proof
    assert "qop=auth, nc=00000001" in proof


def test_digest_without_quality_of_protection() -> None:
    """RFC 2069's form, which old cameras ask for: its example, by erratum 749."""
    challenge = (
        'Digest realm="testrealm@host.com", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093",'
        ' opaque="5ccc069c403ebaf9f0171e9517f40e41"'
    )
    login = Login(username="Mufasa", password="CircleOfLife")

    proof = authorize(login, (challenge,), "/dir/index.html", "")

    assert proof is not None
    assert 'response="1949323746fe6a43ef61f9606e7febea"' in proof


def test_stronger_login_is_taken() -> None:
    """SHA-256 before MD5, Digest before Basic."""
    md5 = f'Digest {REALM}, algorithm=MD5, nonce="a"'
    sha = f'Digest {REALM}, algorithm=SHA-256, nonce="b"'

    assert "algorithm=SHA-256" in (authorize(MUFASA, ("Basic", md5, sha), "/", "c") or "")
    assert "algorithm=MD5" in (authorize(MUFASA, ('Basic realm="x"', md5), "/", "c") or "")


def test_basic_login() -> None:
    """RFC 7617, 2: the example."""
    login = Login(username="Aladdin", password="open sesame")

    assert authorize(login, ('Basic realm="WallyWorld"',), "/", "") == (
        "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="
    )


def test_login_of_an_unknown_kind_is_not_met() -> None:
    """Nothing is sent to whoever asks for a token, or for integrity of the body."""
    odd = f'Digest realm="x", qop="auth-int", nonce="{NONCE}"'

    assert authorize(MUFASA, ("Bearer", odd), "/", "c") is None
    assert authorize(MUFASA, (), "/", "c") is None


@given(st.binary(max_size=300))
def test_noise_is_a_head_or_is_refused(data: bytes) -> None:
    """No other error, whatever a device sends."""
    try:
        head = decode_head(b"HTTP/1.1 200 OK\r\n" + data + b"\r\n\r\n")
        _ = head.length
        authorize(MUFASA, head.challenges, "/", "c")
    except HttpFaultError:
        return
