"""What is told to whom, where it may go, how it is signed, and when it is tried again."""

from base64 import b64decode
from dataclasses import replace
from datetime import timedelta
from ipaddress import ip_network
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nacl.exceptions import BadSignatureError
from nacl.signing import VerifyKey

from backend.alerts.types import Severity
from backend.errors import InvalidError
from backend.ids import AccountId, NoticeId, PartyId, SubscriptionId
from backend.notifications.rules import attempts, signatures, targets, tell
from backend.notifications.types import (
    Channel,
    Failed,
    Line,
    Notice,
    Reach,
    Subscription,
    SubscriptionState,
    Topic,
)
from backend.parties.types import Role
from tests.builders import NOW

SUBSCRIPTION = Subscription(
    id=SubscriptionId(UUID(int=1)),
    party_id=PartyId(UUID(int=2)),
    role=Role.LENDER,
    name="desk",
    channel=Channel.WEBHOOK,
    target="https://bank.example/hook",
    topics=(Topic.ALERT, Topic.LOCK),
    severity_min=Severity.WARNING,
    digest_s=300,
    state=SubscriptionState.ACTIVE,
    why=None,
    secret_generation=1,
    rotated_at=None,
    failing_since=None,
    sent_at=None,
    created_at=NOW,
    created_by=AccountId(UUID(int=3)),
)
NOTICE = Notice(
    id=NoticeId(UUID(int=4)),
    number=7,
    topic="alert",
    what="opened",
    at=NOW,
    actor="system",
    alert_id=UUID(int=5),
    alert_kind="shortfall",
    severity=Severity.CRITICAL,
    alert_state="open",
    summary="one pallet is gone",
    lot_id=UUID(int=6),
    lot="copper",
)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",
        "224.0.0.1",
        "255.255.255.255",
        "::1",
        "::",
        "fe80::1",
        "fd00::1",
        "ff02::1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "64:ff9b::7f00:1",
        "2002:7f00:1::",
        "2001:0:7f00:1::",
    ],
)
def test_what_is_not_the_public_internet_is_not_called(address: str) -> None:
    """Loopback, private, link-local and shared networks, also inside another address."""
    assert targets.choose_addresses([address], Reach()) == ()
    assert targets.choose_addresses(["9.9.9.9", address], Reach()) == ()


def test_public_and_allowed_addresses_are_called() -> None:
    """In turn, each once; a network that the installation names is no secret of it."""
    both = ("9.9.9.9", "2620:fe::fe")
    assert targets.choose_addresses([*both, "9.9.9.9"], Reach()) == both
    assert targets.choose_addresses(["::ffff:9.9.9.9"], Reach()) == ("::ffff:9.9.9.9",)
    inside = Reach(networks=(ip_network("10.1.0.0/16"), ip_network("fd00::/8")))
    assert targets.choose_addresses(["10.1.2.3", "fd00::1"], inside) == ("10.1.2.3", "fd00::1")
    assert targets.choose_addresses(["10.2.2.3"], inside) == ()
    assert targets.choose_addresses([], inside) == ()


@pytest.mark.parametrize(
    "url",
    [
        "http://bank.example/hook",
        "ftp://bank.example/",
        "https://user:secret@bank.example/",
        "https://bank.example/#x",
        "https:///hook",
        "https://bank.example:99999/",
        "https://bank.example/a b",
        "https://bank.example/\r\nHost: other",
        "https://ba\N{LATIN SMALL LETTER N WITH TILDE}k.example/",
        "https://[::1/",
        "https://" + "a" * 3_000,
        "javascript:alert(1)",
    ],
)
def test_an_address_of_another_form_is_refused(url: str) -> None:
    """HTTPS, a host and a path; nothing to smuggle a header or a password with."""
    with pytest.raises(InvalidError):
        targets.check_url(url, Reach())


def test_a_good_address_is_taken_apart() -> None:
    """The port is the scheme's where none is named; plain HTTP is for demonstrations."""
    found = targets.check_url("https://bank.example/hook?key=1", Reach())
    assert (found.host, found.port, found.path) == ("bank.example", 443, "/hook?key=1")
    assert targets.check_url("http://127.0.0.1:8099", Reach(http=True)).path == "/"
    assert targets.check_url("https://[2620:fe::fe]/", Reach()).host == "2620:fe::fe"


@pytest.mark.parametrize(
    "address",
    ["desk", "desk@bank", "a b@bank.example", "x@bank.example\nBcc: y@z.example", "@b.c"],
)
def test_what_is_no_mailbox_is_refused(address: str) -> None:
    """Nothing with a line break, a space or without a domain."""
    with pytest.raises(InvalidError):
        targets.check_address(address)
    assert targets.check_address("loan.desk+pw@bank.example")


def test_the_signature_is_the_standards() -> None:
    """The example of the Standard Webhooks libraries' own tests."""
    key = b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    content = signatures.content_of(
        "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, b'{"test": 2432232314}'
    )
    expected = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    assert signatures.sign_symmetric(key, content) == expected


def test_both_signatures_fit_what_the_receiver_was_shown() -> None:
    """The secret makes ``v1``, the public key checks ``v1a``; generations have other keys."""
    master, key = bytes(32), SUBSCRIPTION.id
    headers = signatures.headers_of(master, key, (2, 1), ("m", 12, b"{}"))
    made = dict.fromkeys(headers["webhook-signature"].split(" "))
    assert len(made) == 4
    for generation in (1, 2):
        secret = signatures.secret_of(master, key, generation)
        shared = b64decode(secret.removeprefix("whsec_"))
        assert signatures.sign_symmetric(shared, b"m.12.{}") in made
        public = signatures.public_key_of(master, key, generation)
        verifier = VerifyKey(b64decode(public.removeprefix("whpk_")))
        asymmetric = [b64decode(each[4:]) for each in made if each.startswith("v1a,")]
        good = [each for each in asymmetric if _fits(verifier, each)]
        assert len(good) == 1
    assert signatures.secret_of(master, SubscriptionId(uuid4()), 1) != signatures.secret_of(
        master, key, 1
    )


def _fits(verifier: VerifyKey, signature: bytes) -> bool:
    try:
        verifier.verify(b"m.12.{}", signature)
    except BadSignatureError:
        return False
    return True


def test_an_old_secret_signs_for_a_day() -> None:
    """Who rotates has that long to bring the new secret out."""
    assert attempts.generations(1, None, NOW) == (1,)
    assert attempts.generations(3, NOW, NOW + timedelta(hours=23)) == (3, 2)
    assert attempts.generations(3, NOW, NOW + timedelta(hours=25)) == (3,)


@given(jitter=st.floats(0, 1), count=st.integers(1, attempts.ATTEMPTS_MAX - 1))
def test_pauses_grow_and_are_jittered(jitter: float, count: int) -> None:
    """Each pause is within half and one and a half of its own, and the next is longer."""
    pause = attempts.PAUSES[count - 1]
    again_at = attempts.next_attempt(count, Failed(result="x"), NOW, jitter)
    assert again_at is not None
    assert pause * 0.5 <= again_at - NOW <= pause * 1.5


def test_the_last_attempt_and_a_farewell_are_the_end() -> None:
    """After seven attempts, or by HTTP 410, nothing is tried again; a wish for time is granted."""
    failed = Failed(result="x")
    assert attempts.next_attempt(attempts.ATTEMPTS_MAX, failed, NOW, 0) is None
    assert attempts.next_attempt(1, replace(failed, gone=True), NOW, 0) is None
    patient = replace(failed, wait_s=3_600.0)
    assert attempts.next_attempt(1, patient, NOW, 0) == NOW + timedelta(hours=1)
    endless = replace(failed, wait_s=1e9)
    assert attempts.next_attempt(1, endless, NOW, 0) == NOW + attempts.WAIT_MAX


def test_only_what_was_asked_for_is_told() -> None:
    """Topics choose; an alert below the severity is not told."""
    assert tell.is_wanted(SUBSCRIPTION, NOTICE)
    assert not tell.is_wanted(SUBSCRIPTION, replace(NOTICE, severity=Severity.INFO))
    assert not tell.is_wanted(SUBSCRIPTION, replace(NOTICE, topic="price", severity=None))
    assert tell.is_wanted(SUBSCRIPTION, replace(NOTICE, topic="lock", severity=None))


@pytest.mark.parametrize(
    ("topic", "what", "kind"),
    [
        ("alert", "opened", "alert.opened"),
        ("alert", "deescalated", "alert.eased"),
        ("lock", "lock_opened", "lock.opened"),
        ("drawdown", "drawdown_pending", "drawdown.authorised"),
        ("drawdown", "drawdown_refused", "drawdown.refused"),
        ("margin_call", "line_fallen", "margin_call.line_fallen"),
        ("margin_call", "margin_call_met", "margin_call.met"),
        ("repayment", "repaid", "repayment.booked"),
        ("price", "held", "price.held"),
        ("facility", "opened", "facility.opened"),
    ],
)
def test_types_are_hierarchical(topic: str, what: str, kind: str) -> None:
    """Standard Webhooks: from the general to the special, with full stops."""
    assert tell.kind_of(replace(NOTICE, topic=topic, what=what)) == kind


def test_a_message_of_one_notice_is_always_the_same() -> None:
    """Its id comes from the notice and the subscription, so that telling twice is one message."""
    first = tell.message_of(SUBSCRIPTION, NOTICE, "https://console.example")
    assert first == tell.message_of(SUBSCRIPTION, NOTICE, "https://console.example")
    other = replace(SUBSCRIPTION, id=SubscriptionId(uuid4()))
    assert tell.message_of(other, NOTICE, "").id != first.id
    assert '"type":"alert.opened"' in first.body
    assert f"https://console.example/alerts/{NOTICE.alert_id}" in first.body


def test_hundreds_of_one_cause_are_one_line() -> None:
    """An e-mail names each cause once, as it was told last, and says how often."""
    line = tell.line_of(NOTICE)
    later = replace(line, text="two pallets are gone")
    lines = tell.gather((), [line] * 300 + [later])
    assert [(each.text, each.count) for each in lines] == [("two pallets are gone", 301)]
    text = tell.mail_text("desk", lines, 301, "https://console.example")
    assert "301 times" in text
    assert "two pallets are gone" in text
    assert tell.mail_subject(lines, 301).startswith(
        "Pledgewatch: Critical alert opened: shortfall"
    )


@given(causes=st.lists(st.integers(0, 300), max_size=400))
def test_an_email_has_a_bound(causes: list[int]) -> None:
    """However many causes there are, lines are few, and none is counted twice."""
    lines = [Line(cause=str(each), at="", title="t", text="", path="/") for each in causes]
    found = tell.gather((), lines)
    assert len(found) <= tell.LINES_MAX
    assert len({line.cause for line in found}) == len(found)
    told = sum(line.count for line in found)
    assert told == len(causes) or len(found) == tell.LINES_MAX
