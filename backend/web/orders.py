"""Release orders as people read them: in words, and whether what was signed is what is kept."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, cast

from markupsafe import Markup, escape

from backend.errors import InvalidError
from backend.keys import verify, verify_key
from backend.party_keys.types import RegisteredKey
from backend.releases.types import OrderRecord
from backend.telemetry.types import unix_us_of
from backend.web.format import mass, plain
from backend.web.types import OrderRow
from schemas.cose import Sign1, decode_sign1
from schemas.errors import MalformedError
from schemas.release import MESSAGE_BYTES_MAX, ReleaseOrder, decode_order

_ORDER: Final = re.compile(r"release order ([0-9a-f]{8})(-[0-9a-f-]{27})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """What was found when an order's signature was checked again; ``why``: what is wrong."""

    key_id: str
    key: RegisteredKey | None
    why: str | None = None

    @property
    def verified(self) -> bool:
        """Whether the order was signed as it is kept."""
        return self.why is None


def check_signature(record: OrderRecord, key: RegisteredKey | None) -> Signature:
    """Return whether the message of an order is signed by a key, and says what is kept of it."""
    key_id = record.key_id.hex()
    if key is None:
        return Signature(key_id=key_id, key=None, why="its key is not known")
    try:
        signed = decode_sign1(record.message, bytes_max=MESSAGE_BYTES_MAX)
        said = decode_order(signed)
    except MalformedError as error:
        return Signature(key_id=key_id, key=key, why=f"its message can not be read: {error.field}")
    why = None
    if not _is_signed(signed, key):
        why = "its signature is not of that key"
    elif not _is_same(said, record):
        why = "what was signed is not what is kept"
    return Signature(key_id=key_id, key=key, why=why)


def _is_signed(signed: Sign1, key: RegisteredKey) -> bool:
    try:
        public_key = verify_key(key.public_key)
    except InvalidError:
        return False
    return signed.key_id == key.key_id and verify(
        public_key, signed.signature, signed.signed_bytes
    )


def _is_same(said: ReleaseOrder, record: OrderRecord) -> bool:
    return (
        said.id == record.id
        and said.lender == record.lender_party
        and said.lot == record.lot_id
        and list(said.items) == sorted(record.items)
        and said.mass_g == record.mass_g
        and said.begins_unix_us == unix_us_of(record.begins_at)
        and said.ends_unix_us == unix_us_of(record.ends_at)
        and said.zone == record.zone_id
        and said.into_lot == record.into_lot
        and said.executor == record.executor_party
    )


def goods(order: OrderRow) -> str:
    """Return what an order lets go."""
    if order.items:
        return f"{counted(order.items)}, {mass(order.mass_g)}"
    return f"up to {mass(order.mass_g)}"


def destination(order: OrderRow) -> str:
    """Return where the goods go, and whether they stay pledged."""
    if not order.stays:
        return "leaves the site"
    zone = order.zone or "another zone"
    if order.into_lot is None:
        return f"to {zone}, pledged no more"
    return f"to {zone}, joining {order.into or 'another lot'}"


def progress(order: OrderRow) -> str:
    """Return what has been executed so far, as the sensors show it."""
    if order.settled_at is not None:
        if not order.released_mass_g:
            return "nothing has left by it"
        what = f"{counted(order.released)}, " if order.released else ""
        return f"{what}{mass(order.released_mass_g)} has left"
    if order.going:
        return f"{counted(order.going)}, {mass(order.going_mass_g)} under way"
    return "nothing yet"


def counted(items: int) -> str:
    """Return a number of items."""
    return f"{items} item" if items == 1 else f"{items} items"


def linked(text: str) -> Markup:
    """Return a sentence of the rules whose release orders are links."""
    link = r'<a href="/release-orders/\1\2">release order \1…</a>'
    return Markup(_ORDER.sub(link, str(escape(plain(text)))))  # noqa: S704 - escaped before


def brief(text: str) -> str:
    """Return a sentence of the rules whose release orders are named by their first digits."""
    return _ORDER.sub(r"release order \1…", text)


def named(detail: Mapping[str, object], names: Mapping[str, str]) -> dict[str, object]:
    """Return an event's detail with items by their names."""
    told = {key: value for key, value in detail.items() if key != "order"}
    items = told.get("items")
    if isinstance(items, list):
        told["items"] = [names.get(str(item), str(item)) for item in cast("list[object]", items)]
    return told
