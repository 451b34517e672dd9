"""Certificates from enrolment to revocation, over HTTP and from the terminal."""

from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from cryptography.x509.verification import PolicyBuilder, Store

from backend.certificates import store
from backend.certificates.authority import CERTIFICATE_FILE, KEY_FILE, Authority
from backend.certificates.errors import AuthorityExistsError
from backend.certificates.rules import ISSUED_MAX
from backend.certificates.types import Certificate
from backend.config import Settings
from backend.db import Database
from backend.errors import ConfigurationError
from backend.parties.types import Role
from tests.builders import FixedClock, add_actor, bearer, token_for
from tests.certificates import Requester, make_request
from tests.plant import build_plant

GATEWAY = "gw-new"


class Yard:
    """An operator, an authority, and a gateway to enrol."""

    def __init__(self, db: Database, client: httpx.Client, authority: Authority) -> None:
        self.db = db
        self.client = client
        self.authority = authority
        self.requester = Requester(gateway_id=GATEWAY)
        self.operator = bearer(token_for(db, add_actor(db, Role.OPERATOR)))
        with db.working() as conn:
            plant = build_plant(conn)
        body = {"id": GATEWAY, "site_id": str(plant.site_id)}
        client.post("/api/gateways", json=body, headers=self.operator).raise_for_status()

    def code(self, *, replace: bool = False) -> str:
        """Return a code."""
        path = f"/api/gateways/{GATEWAY}/enrolment-codes"
        answer = self.client.post(path, json={"replace": replace}, headers=self.operator)
        return str(answer.raise_for_status().json()["code"])

    def enrol(
        self, code: str, certificate: object, requester: Requester | None = None
    ) -> httpx.Response:
        """Enrol, with a request for a certificate."""
        key = (requester or self.requester).public_key
        body = {"code": code, "gateway_id": GATEWAY, "public_key": key}
        return self.client.post("/api/enrol", json={**body, "certificate": certificate})

    def nonce(self, gateway: str = GATEWAY) -> str:
        """Return a nonce."""
        answer = self.client.post(f"/api/gateways/{gateway}/certificate-nonces")
        return str(answer.raise_for_status().json()["nonce"])

    def renew(self, body: object, gateway: str = GATEWAY) -> httpx.Response:
        """Ask for the next certificate."""
        return self.client.post(f"/api/gateways/{gateway}/certificate", json=body)

    def rows(self, clock: FixedClock) -> list[Certificate]:
        """Return the gateway's certificates."""
        with self.db.enrolling() as conn:
            return list(store.list_live(conn, clock.now()))


@pytest.fixture
def yard(db: Database, client: httpx.Client, settings: Settings, clock: FixedClock) -> Yard:
    """An operator with an authority and a gateway to enrol."""
    return Yard(db, client, Authority.make(settings.state_dir, clock.now()))


def _refusal(response: httpx.Response) -> tuple[int, str]:
    return response.status_code, response.json()["error"]["code"]


def test_enrolment_brings_a_certificate_for_the_gateway_alone(
    yard: Yard, clock: FixedClock
) -> None:
    """Its name, its key, for coming to a server, ninety days, under our authority."""
    key = ec.generate_private_key(ec.SECP256R1())
    answer = yard.enrol(yard.code(), yard.requester.body(make_request(GATEWAY, key))).json()

    told = answer["certificate"]
    made = x509.load_pem_x509_certificate(told["certificate"].encode())
    [authority] = x509.load_pem_x509_certificates(told["ca"].encode())
    made.verify_directly_issued_by(authority)
    assert made.public_key() == key.public_key()
    assert [part.value for part in made.subject] == [GATEWAY]
    assert made.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    assert list(made.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value) == [
        ExtendedKeyUsageOID.CLIENT_AUTH
    ]
    assert not made.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    assert made.not_valid_after_utc == clock.now() + timedelta(days=90)
    [row] = yard.rows(clock)
    assert (int(row.serial, 16), row.gateway_id) == (made.serial_number, GATEWAY)
    assert answer["broker"]["password"]  # The other listener goes on.


def test_server_certificate_is_good_for_the_brokers_names(yard: Yard, clock: FixedClock) -> None:
    """As strict verifiers judge it: the name, the use, the chain."""
    key = ec.generate_private_key(ec.SECP256R1())
    made = yard.authority.issue_server(["broker", "127.0.0.1"], key.public_key(), clock.now())

    verifier = (
        PolicyBuilder()
        .store(Store([yard.authority.certificate]))
        .time(clock.now())
        .build_server_verifier(x509.DNSName("broker"))
    )
    assert verifier.verify(made, []) == [made, yard.authority.certificate]


def test_backend_without_an_authority_answers_as_before(
    db: Database, client: httpx.Client, settings: Settings, clock: FixedClock
) -> None:
    """By password; a renewal is refused by name."""
    yard = Yard(db, client, Authority.make(settings.state_dir / "elsewhere", clock.now()))
    answer = yard.enrol(yard.code(), yard.requester.body())

    assert answer.status_code == 200
    assert "certificate" not in answer.json()
    renewal = yard.renew(yard.requester.body(nonce=yard.nonce()))
    assert _refusal(renewal) == (404, "no_authority")


@pytest.mark.parametrize(
    ("certificate", "refusal"),
    [
        (Requester(gateway_id=GATEWAY).body(), (403, "bad_renewal")),
        (None, (422, "invalid")),
        ("wrong name", (422, "invalid")),
    ],
)
def test_enrolment_with_a_bad_request_uses_no_code_up(
    yard: Yard, certificate: object, refusal: tuple[int, str]
) -> None:
    """Another key's voucher, none, another's name: refused whole, and the code is still good."""
    if certificate is None:
        certificate = {"csr": make_request(GATEWAY)}
    if certificate == "wrong name":
        certificate = yard.requester.body(make_request("backend"))
    code = yard.code()

    assert _refusal(yard.enrol(code, certificate)) == refusal
    assert yard.enrol(code, yard.requester.body()).status_code == 200


def test_renewal_brings_the_next_certificate_once(yard: Yard, clock: FixedClock) -> None:
    """The same message again, by whoever saw it, brings nothing."""
    yard.enrol(yard.code(), yard.requester.body()).raise_for_status()
    clock.advance(timedelta(days=60))
    body = yard.requester.body(nonce=yard.nonce())

    answer = yard.renew(body)
    assert answer.status_code == 201
    made = x509.load_pem_x509_certificate(answer.json()["certificate"].encode())
    assert made.not_valid_after_utc == clock.now() + timedelta(days=90)
    assert _refusal(yard.renew(body)) == (409, "stale_nonce")
    assert len(yard.rows(clock)) == 2


def test_renewal_needs_a_fresh_nonce_and_the_gateways_own_key(
    yard: Yard, clock: FixedClock
) -> None:
    """An old nonce, another gateway's, another key, another gateway: each is refused."""
    yard.enrol(yard.code(), yard.requester.body()).raise_for_status()
    stranger = Requester(gateway_id=GATEWAY)
    old = yard.requester.body(nonce=yard.nonce())
    foreign = yard.requester.body(nonce=yard.nonce("gw-a"))
    clock.advance(timedelta(minutes=6))

    assert _refusal(yard.renew(old)) == (409, "stale_nonce")
    assert _refusal(yard.renew(foreign)) == (409, "stale_nonce")
    assert _refusal(yard.renew(stranger.body(nonce=yard.nonce()))) == (403, "bad_renewal")
    other = yard.requester.body(nonce=yard.nonce("gw-none"))
    assert _refusal(yard.renew(other, "gw-none")) == (403, "bad_renewal")
    wrong = yard.requester.body(make_request("gw-a"), nonce=yard.nonce())
    assert _refusal(yard.renew(wrong)) == (422, "invalid")
    enrolment = yard.requester.body()
    assert _refusal(yard.renew({**enrolment, "nonce": yard.nonce()})) == (403, "bad_renewal")


def test_renewals_are_bounded(yard: Yard, clock: FixedClock) -> None:
    """Whoever holds a gateway's key cannot fill the table."""
    yard.enrol(yard.code(), yard.requester.body()).raise_for_status()
    answers = [
        yard.renew(yard.requester.body(nonce=yard.nonce())).status_code for _ in range(ISSUED_MAX)
    ]
    assert answers == [201] * (ISSUED_MAX - 1) + [429]
    clock.advance(timedelta(days=1, seconds=1))
    assert yard.renew(yard.requester.body(nonce=yard.nonce())).status_code == 201


def test_revoked_gateway_is_on_the_list_and_renews_nothing(yard: Yard, clock: FixedClock) -> None:
    """Its certificates go with it; a new enrolment brings a good one."""
    yard.enrol(yard.code(), yard.requester.body()).raise_for_status()
    path = f"/api/gateways/{GATEWAY}/revoke"
    yard.client.post(path, headers=yard.operator).raise_for_status()

    [row] = yard.rows(clock)
    assert row.revoked_at == clock.now()
    renewal = yard.renew(yard.requester.body(nonce=yard.nonce()))
    assert _refusal(renewal) == (403, "bad_renewal")
    pem = yard.authority.revocations([row], clock.now(), timedelta(days=30))
    listed = x509.load_pem_x509_crl(pem)
    assert [each.serial_number for each in listed] == [int(row.serial, 16)]
    assert listed.is_signature_valid(yard.authority.certificate.public_key())  # pyright: ignore[reportArgumentType]

    anew = Requester(gateway_id=GATEWAY)
    yard.enrol(yard.code(), anew.body(), anew).raise_for_status()
    assert [each.revoked_at is None for each in yard.rows(clock)].count(True) == 1


def test_new_enrolment_revokes_what_the_old_key_had(yard: Yard, clock: FixedClock) -> None:
    """Whoever has the old machine's files does not come in by them."""
    yard.enrol(yard.code(), yard.requester.body()).raise_for_status()
    anew = Requester(gateway_id=GATEWAY)
    yard.enrol(yard.code(replace=True), anew.body(), anew).raise_for_status()

    assert sorted(each.revoked_at is None for each in yard.rows(clock)) == [False, True]


def test_authority_is_made_once_and_kept_private(tmp_path: Path, clock: FixedClock) -> None:
    """Its key is its owner's alone, and fits the certificate beside it."""
    made = Authority.make(tmp_path, clock.now())

    assert (tmp_path / KEY_FILE).stat().st_mode & 0o777 == 0o600
    loaded = Authority.load(tmp_path)
    assert loaded is not None
    assert loaded.pem == made.pem
    with pytest.raises(AuthorityExistsError):
        Authority.make(tmp_path, clock.now())
    Authority.make(tmp_path / "other", clock.now())
    (tmp_path / "other" / CERTIFICATE_FILE).replace(tmp_path / CERTIFICATE_FILE)
    with pytest.raises(ConfigurationError):
        Authority.load(tmp_path)
    (tmp_path / KEY_FILE).chmod(0o644)
    with pytest.raises(ConfigurationError):
        Authority.load(tmp_path)
