"""Release orders and stock-takes by the console: drafted, signed elsewhere, shown, counted."""

import re
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta
from hashlib import sha256
from uuid import UUID, uuid4

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from backend.db import Database
from backend.telemetry.types import datetime_of
from schemas.keys import key_id_of
from schemas.release import encode_order, order_content_type
from tests.builders import NOW, FixedClock
from tests.gateway_double import BASE_US
from tests.integration.backend.ingest.rig import Rig
from tests.integration.backend.releases.orders import Pledged, pledge_warehouse, sign
from tests.integration.backend.web.sessions import console_client, csrf_token
from tests.warehouse import NET_G, build_warehouse

pytestmark = pytest.mark.integration


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """A pledged warehouse, and the browsers of its bank, keeper and owner."""

    pledged: Pledged
    clock: FixedClock
    bank: httpx.Client
    keeper: httpx.Client
    owner: httpx.Client

    @property
    def lot(self) -> str:
        """The lot's page."""
        return f"/lots/{self.pledged.made.lot}"

    def form(self, **overrides: object) -> dict[str, object]:
        """Return the form for an order that lets the first two pallets go to the dock."""
        now = self.clock.now()
        return {
            "csrf_token": csrf_token(self.bank),
            "items": [str(self.pledged.item(number)) for number in range(2)],
            "place": str(self.pledged.made.dock),
            "begins": f"{now:%Y-%m-%dT%H:%M}",
            "ends": f"{now + timedelta(hours=1):%Y-%m-%dT%H:%M}",
            **overrides,
        }

    def orders(self) -> int:
        """Return how many orders are stored."""
        return int(self.pledged.made.execute("SELECT count(*) FROM release_order")[0][0])


@pytest.fixture
def desk(
    db: Database, db_url: str, api_url: str, client: httpx.Client, clock: FixedClock
) -> Iterator[Desk]:
    """A quiet pledged warehouse of three pallets, its parties logged in."""
    rig = Rig(db=db, made=build_warehouse(db_url))
    clock.advance(datetime_of(BASE_US) - NOW)
    pledged = pledge_warehouse(db, rig, client)
    rig.quiet(3)
    clock.advance(timedelta(seconds=4))
    with ExitStack() as stack:
        bank, keeper, owner = (
            stack.enter_context(console_client(api_url, login))
            for login in ("bank", "keeper", "owner")
        )
        yield Desk(pledged=pledged, clock=clock, bank=bank, keeper=keeper, owner=owner)


def _signed(page: str, key: Ed25519PrivateKey) -> dict[str, str]:
    """Return what the page's script sends: the bytes that it was given, signed."""
    found = re.search(r'data-key-id="(\w+)" data-public-key="\w+" data-bytes="(\w+)"', page)
    payload = re.search(r'name="payload" value="(\w+)"', page)
    assert found is not None
    assert payload is not None
    return {
        "payload": payload[1],
        "key_id": found[1],
        "signature": key.sign(bytes.fromhex(found[2])).hex(),
    }


def test_an_order_is_drafted_signed_acknowledged_and_revoked(desk: Desk) -> None:
    """The bank signs what it was shown; the keeper begins; the bank revokes; all of it is told."""
    assert 'name="items"' in desk.bank.get(f"{desk.lot}/release-order").text
    draft = desk.bank.post(f"{desk.lot}/release-order", data=desk.form())
    assert draft.status_code == 200, draft.text
    assert "2 items, 2,000 kg" in draft.text
    assert desk.orders() == 0
    token = {"csrf_token": csrf_token(desk.bank)}

    issued = desk.bank.post(
        "/release-orders", data={**token, **_signed(draft.text, desk.pledged.key)}
    )

    assert issued.status_code == 303, issued.text
    order = issued.headers["location"]
    page = desk.bank.get(order).text
    assert "signature verified" in page
    assert key_id_of(desk.pledged.key.public_key().public_bytes_raw()).hex() in page
    assert "to dock, pledged no more" in page
    for console in (desk.bank, desk.keeper, desk.owner):
        assert order in console.get("/release-orders").text
        assert order in console.get(desk.lot).text
    begun = desk.keeper.post(f"{order}/acknowledge", data={"csrf_token": csrf_token(desk.keeper)})
    assert begun.headers["location"] == order
    assert "acknowledged" in desk.owner.get("/release-orders").text
    assert desk.bank.post(f"{order}/revoke", data=token).headers["location"] == order
    assert "revoked" in desk.keeper.get(order).text


def test_what_has_gone_by_an_order_is_shown(desk: Desk) -> None:
    """A pallet that the gate reads is under way by it, and no alert mentions the order."""
    draft = desk.bank.post(f"{desk.lot}/release-order", data=desk.form()).text
    signed = {"csrf_token": csrf_token(desk.bank), **_signed(draft, desk.pledged.key)}
    order = desk.bank.post("/release-orders", data=signed).headers["location"]
    going = desk.pledged.item(0)
    desk.pledged.made.execute(
        "UPDATE release_order SET state = 'executing', going = ARRAY[%s]::uuid[],"
        " going_mass_g = %s",
        going,
        NET_G,
    )

    page = desk.keeper.get(order).text

    assert "1 item, 1,000 kg under way" in page
    assert page.count("not yet</span>") == 1
    assert "None: nothing went beyond it." in page


def test_a_draft_is_checked_before_it_is_signed(desk: Desk) -> None:
    """Items and a mass together, another's item, a window that is over: a sentence says why."""
    path = f"{desk.lot}/release-order"
    both = desk.bank.post(path, data=desk.form(mass_kg="1000"))
    neither = desk.bank.post(path, data=desk.form(items=[], mass_kg=" "))
    unknown = desk.bank.post(path, data=desk.form(items=[str(uuid4())]))
    over = desk.bank.post(path, data=desk.form(ends="2020-01-01T00:00"))
    home = desk.bank.post(path, data=desk.form(place=str(desk.pledged.made.hall)))

    assert [both.status_code, neither.status_code] == [422, 422]
    assert "1 items are not in the lot" in unknown.text
    assert "ends_unix_us" in over.text
    assert "must be another zone" in home.text
    by_mass = desk.bank.post(path, data=desk.form(items=[], mass_kg="1500.5", place=""))
    assert "Up to 1,500.5 kg" in by_mass.text
    assert desk.orders() == 0


def test_a_message_that_was_signed_elsewhere_is_pasted(desk: Desk) -> None:
    """A whole message is issued as it is; another key's signature leaves nothing."""
    order = desk.pledged.order(desk.clock.now())
    token = {"csrf_token": csrf_token(desk.bank)}
    draft = desk.bank.post(f"{desk.lot}/release-order", data=desk.form()).text
    forged = _signed(draft, Ed25519PrivateKey.generate())

    refused = desk.bank.post("/release-orders", data={**token, **forged})
    empty = desk.bank.post("/release-orders", data=token)
    message = sign(desk.pledged.key, order_content_type(), encode_order(order)).hex()
    taken = desk.bank.post("/release-orders", data={**token, "message": f" {message}\n"})

    assert refused.status_code == 422
    assert "the signature is not of key" in refused.text
    assert empty.status_code == 422
    assert taken.headers["location"] == f"/release-orders/{order.id}"
    assert desk.orders() == 1


def test_an_order_that_says_otherwise_than_was_signed_is_told(desk: Desk) -> None:
    """What somebody changed in the database afterwards no longer counts as signed."""
    order = desk.pledged.order(desk.clock.now())
    assert desk.pledged.issue(order).status_code == 201
    desk.pledged.made.execute("UPDATE release_order SET ends_at = ends_at + interval '1 day'")

    page = desk.owner.get(f"/release-orders/{order.id}").text

    assert "signature not verified" in page
    assert "what was signed is not what is kept" in page


def _epc(desk: Desk, number: int) -> str:
    return list(desk.pledged.made.items)[number].hex()


def test_a_handheld_readers_file_is_reconciled(desk: Desk) -> None:
    """Found, not found and foreign are told with the file's digest, to whoever sees the lot."""
    content = f"epc\n{_epc(desk, 0)}\n{_epc(desk, 1)}\n30aabbccddeeff0011223344\n".encode()
    data = {
        "csrf_token": csrf_token(desk.keeper),
        "id": str(uuid4()),
        "counted_by": "night shift",
        "at": f"{desk.clock.now():%Y-%m-%dT%H:%M:%S}",
        "note": "",
    }

    made = desk.keeper.post(
        f"{desk.lot}/stock-takes/file", data=data, files={"file": ("reader.csv", content)}
    )

    assert made.status_code == 303, made.text
    page = desk.owner.get(made.headers["location"]).text
    assert "1 not found" in page
    assert "1 foreign" in page
    assert "night shift" in page
    assert sha256(content).hexdigest() in page
    listed = desk.bank.get(f"{desk.lot}/stock-takes").text
    assert '<strong class="bad">1 not found</strong>' in listed
    assert 'name="counted_by"' not in listed
    wrong = desk.keeper.post(
        f"{desk.lot}/stock-takes/file",
        data={**data, "id": str(uuid4())},
        files={"file": ("reader.json", b' {"type": "EPCISDocument"}')},
    )
    assert wrong.status_code == 422
    assert "schemaVersion" in wrong.text


def test_items_are_ticked_by_hand_or_a_mass_is_given(desk: Desk) -> None:
    """What is not ticked was not found; a mass stands alone."""
    data: dict[str, object] = {
        "csrf_token": csrf_token(desk.keeper),
        "counted_by": "shift lead",
        "at": f"{desk.clock.now():%Y-%m-%dT%H:%M:%S}",
    }
    found = [str(UUID(str(desk.pledged.item(number)))) for number in range(3)]

    ticked = desk.keeper.post(
        f"{desk.lot}/stock-takes", data={**data, "id": str(uuid4()), "found": found}
    )
    weighed = desk.keeper.post(
        f"{desk.lot}/stock-takes", data={**data, "id": str(uuid4()), "mass_kg": "3000"}
    )
    both = desk.keeper.post(
        f"{desk.lot}/stock-takes",
        data={**data, "id": str(uuid4()), "found": found, "mass_kg": "3000"},
    )

    assert "everything found" in desk.keeper.get(ticked.headers["location"]).text
    assert "3,000 kg" in desk.keeper.get(weighed.headers["location"]).text
    assert both.status_code == 422
    assert "items that are ticked, or a mass" in both.text
