"""A key inside a real PKCS #11 module: it signs, it is guarded, and its faults are named."""

from collections.abc import Iterator
from pathlib import Path

import pkcs11
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from pkcs11 import Attribute, ObjectClass
from pkcs11.exceptions import AttributeSensitive

from gateway.clock import SystemClock
from gateway.config.key import KeySection
from gateway.errors import ConfigError, StateError, UnavailableError
from gateway.outbox.identity import (
    KEY_FILE,
    NEXT_KEY_FILE,
    RETIRED_KEY_FILE,
    next_signer,
    open_identity,
    turn_key,
)
from gateway.signing import Token, load_key, make_key, open_token, save_key
from gateway.signing.cryptoki import decode_point
from gateway.signing.token import RETRY_S_MIN
from tests.integration.token.softhsm import PIN, TOKEN, SoftToken

pytestmark = pytest.mark.integration
TEXT = b"what is signed"


class SteppedClock(SystemClock):
    """A clock whose monotonic time is moved by the test."""

    def __init__(self) -> None:
        super().__init__()
        self.now_s = 0.0

    def monotonic_s(self) -> float:
        """Return the time that the test has set."""
        return self.now_s


@pytest.fixture
def clock() -> SteppedClock:
    """Time that stands still."""
    return SteppedClock()


def section_of(soft_token: SoftToken) -> KeySection:
    """Return the configuration of a token."""
    return KeySection(
        module=soft_token.module, token=TOKEN, pin_file=str(soft_token.pin_file), label="pw"
    )


def opened(section: KeySection, folder: Path, clock: SystemClock) -> Token:
    """Return the token of a configuration."""
    token = open_token(section, folder, clock)
    assert token is not None
    return token


@pytest.fixture
def token(soft_token: SoftToken, tmp_path: Path, clock: SteppedClock) -> Iterator[Token]:
    """The gateway's view of the token."""
    token = opened(section_of(soft_token), tmp_path, clock)
    yield token
    token.close()


def verify(public_key: bytes, signature: bytes) -> None:
    """Check a signature with another implementation."""
    Ed25519PublicKey.from_public_bytes(public_key).verify(signature, TEXT)


def test_key_is_made_inside_and_its_signatures_verify(token: Token, tmp_path: Path) -> None:
    """The file holds the public half alone; another implementation accepts the signatures."""
    signer = make_key(token)
    save_key(signer, tmp_path / KEY_FILE)

    verify(signer.public_key, signer.sign(TEXT))
    verify(signer.public_key, signer.sign(TEXT))
    assert b"PRIVATE" not in (tmp_path / KEY_FILE).read_bytes()
    again = load_key(tmp_path / KEY_FILE, token)
    assert again.public_key == signer.public_key
    verify(again.public_key, again.sign(TEXT))


def test_private_key_cannot_leave_the_token(
    soft_token: SoftToken, tmp_path: Path, clock: SteppedClock
) -> None:
    """The token itself refuses to give the value out, and says that it never could have."""
    token = opened(section_of(soft_token), tmp_path, clock)
    token.generate()
    token.close()
    library = pkcs11.lib(soft_token.module)
    with library.get_token(token_label=TOKEN).open(user_pin=PIN) as session:
        (key,) = session.get_objects({Attribute.CLASS: ObjectClass.PRIVATE_KEY})
        assert key[Attribute.NEVER_EXTRACTABLE]
        assert key[Attribute.ALWAYS_SENSITIVE]
        with pytest.raises(AttributeSensitive):
            key[Attribute.VALUE]
    library.finalize()


def test_public_file_without_a_configured_token_is_refused(token: Token, tmp_path: Path) -> None:
    """A gateway whose section was removed says where its key is, and makes no other."""
    save_key(make_key(token), tmp_path / KEY_FILE)

    with pytest.raises(StateError, match=r"must be named in \[key\]"):
        load_key(tmp_path / KEY_FILE)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        (
            {"module": "/nowhere/libtoken.so"},
            "key.module is '/nowhere/libtoken.so', must be a file",
        ),
        ({"token": "other"}, f"key.token is 'other'.*there are: '{TOKEN}'"),
        ({"pin_file": "/nowhere/pin"}, "key.pin_file is '/nowhere/pin', must be readable"),
    ],
)
def test_wrong_configuration_names_key_value_and_bound(
    soft_token: SoftToken, tmp_path: Path, clock: SteppedClock, changed: dict[str, str], words: str
) -> None:
    """Whatever of the section is wrong is named, with what it must be."""
    values = {
        "module": soft_token.module,
        "token": TOKEN,
        "pin_file": str(soft_token.pin_file),
    } | changed
    token = opened(KeySection(**values), tmp_path, clock)

    with pytest.raises(ConfigError, match=words):
        token.generate()
    token.close()


def test_module_that_is_none_is_named(tmp_path: Path, soft_token: SoftToken) -> None:
    """A file that is no shared library is an error that names it, not a crash."""
    module = tmp_path / "libnone.so"
    module.write_bytes(b"none")
    section = KeySection(module=str(module), token=TOKEN, pin_file=str(soft_token.pin_file))
    token = opened(section, tmp_path, SystemClock())

    with pytest.raises(UnavailableError, match=r"key\.module .*libnone\.so"):
        token.generate()
    token.close()


def test_pin_file_open_to_others_is_refused(token: Token, soft_token: SoftToken) -> None:
    """A PIN that others can read is not used."""
    soft_token.pin_file.chmod(0o644)

    with pytest.raises(ConfigError, match=r"mode is 0644, must be 0600"):
        token.generate()


def test_wrong_pin_is_tried_once_and_never_again(
    soft_token: SoftToken, tmp_path: Path, clock: SteppedClock
) -> None:
    """Neither time nor a restart shows the token the same wrong PIN; the right one is tried."""
    soft_token.write_pin("999999")
    token = opened(section_of(soft_token), tmp_path, clock)
    with pytest.raises(StateError, match=r"PinIncorrect: key\.pin_file must hold its user PIN"):
        token.generate()
    clock.now_s += 3_600
    with pytest.raises(StateError, match="it is not tried again"):
        token.generate()
    token.close()
    restarted = opened(section_of(soft_token), tmp_path, clock)
    with pytest.raises(StateError, match="it is not tried again"):
        restarted.generate()
    soft_token.write_pin()
    clock.now_s += 3_600
    verify(public := restarted.generate(), restarted.sign(public, TEXT))
    restarted.close()


def test_token_that_is_pulled_out_is_asked_rarely_and_signs_again_when_back(
    token: Token, soft_token: SoftToken, tmp_path: Path, clock: SteppedClock
) -> None:
    """A signature fails as unavailable; the waits grow; nothing but time is needed afterwards."""
    save_key(make_key(token), tmp_path / KEY_FILE)
    signer = load_key(tmp_path / KEY_FILE, token)
    verify(signer.public_key, signer.sign(TEXT))
    soft_token.pull()
    waits: list[float] = []
    for _ in range(8):
        with pytest.raises(UnavailableError):
            signer.sign(TEXT)
        assert signer.fault
        began_s = clock.now_s
        while not signer.ready:
            clock.now_s += RETRY_S_MIN / 2
        waits.append(clock.now_s - began_s)
    assert waits == [1, 2, 4, 8, 16, 30, 30, 30]
    soft_token.put_back()
    verify(signer.public_key, signer.sign(TEXT))
    assert not signer.fault


def test_key_of_another_token_is_missed_by_name(
    token: Token, soft_token: SoftToken, tmp_path: Path, clock: SteppedClock
) -> None:
    """A token with the right label and without the key is not the gateway's."""
    public_key = token.generate()
    token.destroy(public_key)

    with pytest.raises(StateError, match=f"holds no key {public_key.hex()}"):
        token.check(public_key)
    assert soft_token.labels() == []


def test_rotation_destroys_the_old_key_once_another_took_its_place(
    token: Token, soft_token: SoftToken, tmp_path: Path
) -> None:
    """Two keys inside while the turn is under way, one after it; the signer goes on under it."""
    signer, new = open_identity(tmp_path, token)
    assert new
    old = signer.public_key
    following = next_signer(tmp_path, token)
    assert next_signer(tmp_path, token).public_key == following.public_key
    assert len(soft_token.labels()) == 2

    turn_key(tmp_path, signer, following.key_id, token=token)
    assert len(soft_token.labels()) == 1
    verify(following.public_key, signer.sign(TEXT))
    with pytest.raises(StateError, match=f"holds no key {old.hex()}"):
        token.check(old)


def test_turn_needs_no_token_and_cleans_up_when_it_is_back(
    token: Token, soft_token: SoftToken, tmp_path: Path, clock: SteppedClock
) -> None:
    """The backend's receipt comes while the token is out: the old key is destroyed later."""
    signer, _ = open_identity(tmp_path, token)
    old = signer.public_key
    following = next_signer(tmp_path, token)
    soft_token.pull()
    turn_key(tmp_path, signer, following.key_id, token=token)
    assert signer.public_key == following.public_key
    assert (tmp_path / RETIRED_KEY_FILE).exists()
    assert not (tmp_path / NEXT_KEY_FILE).exists()
    soft_token.put_back()
    clock.now_s += 60
    signer, new = open_identity(tmp_path, token)
    assert not new
    assert not (tmp_path / RETIRED_KEY_FILE).exists()
    verify(signer.public_key, signer.sign(TEXT))
    with pytest.raises(StateError, match="holds no key"):
        token.check(old)


def test_key_in_a_file_turns_into_the_token(token: Token, tmp_path: Path) -> None:
    """A gateway that ran with a file moves into its token by one rotation."""
    signer, _ = open_identity(tmp_path)
    signer, new = open_identity(tmp_path, token)
    assert not new
    following = next_signer(tmp_path, token)
    turn_key(tmp_path, signer, following.key_id, token=token)

    verify(following.public_key, signer.sign(TEXT))
    assert b"PRIVATE" not in (tmp_path / KEY_FILE).read_bytes()
    assert not (tmp_path / RETIRED_KEY_FILE).exists()


@pytest.mark.parametrize("head", [b"", b"\x04\x20", b"\x03\x21\x00"])
def test_point_is_read_in_every_wrapping(head: bytes) -> None:
    """Modules give CKA_EC_POINT in DER, as an octet or bit string, or raw."""
    key = bytes.fromhex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")

    assert decode_point(head + key) == key


@pytest.mark.parametrize("point", [b"", b"\x04\x20", b"\x04\x21" + bytes(33), bytes(32)])
def test_point_that_is_no_key_is_refused(point: bytes) -> None:
    """What is no Ed25519 key, or one of small order, is none."""
    assert decode_point(point) is None
