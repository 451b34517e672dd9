"""Registering a lot with its items, in one transaction."""

from decimal import Decimal
from typing import Annotated, Final
from uuid import UUID, uuid4

from fastapi import Form, Request, Response
from pydantic import BaseModel, Field

from backend.collateral.http.lots import ItemBody, ItemsBody, LotBody
from backend.collateral.service import registry
from backend.collateral.types import ItemSetup, Lot
from backend.deps import AsLogistics, CurrentPrincipal, Db, Now
from backend.errors import InvalidError
from backend.ids import CommodityId, InstrumentId, ItemId, LotId, PartyId, SiteId, ZoneId
from backend.parties import store as parties
from backend.web.console import done, new_router, render
from backend.web.store import plant as store

router = new_router()
TEXT_CHARACTERS_MAX: Final = 200_000  # A thousand items take 60,000.
GRAMS_PER_KG: Final = 1_000
COLUMNS: Final = (3, 4)


class LotFields(BaseModel):
    """A lot as the form describes it; an item a line."""

    name: Annotated[str, Field(max_length=120)]
    place: Annotated[str, Field(pattern=r"^[0-9a-f-]{36}/[0-9a-f-]{36}$")]
    owner_party: UUID
    commodity_id: Annotated[str, Field(max_length=32)]
    instrument_id: Annotated[str, Field(max_length=32)]
    grade: Annotated[str, Field(max_length=32)] = ""
    items: Annotated[str, Field(max_length=TEXT_CHARACTERS_MAX)]


@router.get("/register")
def show_form(request: Request, db: Db, who: CurrentPrincipal, _: AsLogistics) -> Response:
    """Show the form."""
    with db.acting(who.actor) as conn:
        places = store.list_zone_choices(conn)
        owners = parties.list_parties(conn)
        commodities = store.list_commodities(conn)
        instruments = store.list_instruments(conn)
    return render(
        request,
        who,
        "register.html",
        places=places,
        owners=[party for party in owners if party.id != who.actor.party_id],
        commodities=commodities,
        instruments=instruments,
    )


@router.post("/register")
def register_lot(
    request: Request, db: Db, actor: AsLogistics, now: Now, form: Annotated[LotFields, Form()]
) -> Response:
    """Register a lot and its items: both or neither."""
    items = [_item(number, line) for number, line in _lines(form.items)]
    site_id, zone_id = form.place.split("/")
    checked = ItemsBody(items=items)
    body = LotBody(
        name=form.name,
        site_id=UUID(site_id),
        zone_id=UUID(zone_id),
        owner_party=form.owner_party,
        commodity_id=form.commodity_id,
        instrument_id=form.instrument_id,
        pledged_mass_g=sum(item.net_mass_g for item in items),
        grade=form.grade.strip() or None,
    )
    lot = Lot(
        id=LotId(uuid4()),
        name=body.name,
        site_id=SiteId(body.site_id),
        zone_id=ZoneId(body.zone_id),
        owner_party=PartyId(body.owner_party),
        commodity_id=CommodityId(body.commodity_id),
        instrument_id=InstrumentId(body.instrument_id),
        pledged_mass_g=body.pledged_mass_g,
        created_at=now,
        grade=body.grade,
    )
    setups = [
        ItemSetup(
            id=ItemId(uuid4()),
            name=each.name,
            epc=bytes.fromhex(each.epc),
            net_mass_g=each.net_mass_g,
            tare_mass_g=each.tare_mass_g,
        )
        for each in checked.items
    ]
    with db.acting(actor) as conn:
        registry.add_lot(conn, actor, lot, now)
        registry.add_items(conn, actor, lot.id, setups, now)
    message = f"{lot.name} is registered with {len(setups)} items. Bind its sensors next."
    return done(request, message, f"/lots/{lot.id}")


def _lines(text: str) -> list[tuple[int, str]]:
    """Return the lines that say something, with their numbers.

    Raises:
        InvalidError: There is none.
    """
    lines = [(n, line) for n, line in enumerate(text.splitlines(), 1) if line.strip()]
    if not lines:
        raise InvalidError("items", text, "a line for each item: name, EPC, net kg, tare kg")
    return lines


def _item(number: int, line: str) -> ItemBody:
    """Return the item of a line: name, EPC, net kg and, if it has one, tare kg.

    Raises:
        InvalidError: It is none.
    """
    parts = [part.strip() for part in line.split(",")]
    if len(parts) not in COLUMNS:
        raise InvalidError(f"items, line {number},", line, "name, EPC, net kg, tare kg")
    grams = [_grams(number, part) for part in parts[2:]]
    return ItemBody(
        name=parts[0],
        epc=parts[1],
        net_mass_g=grams[0],
        tare_mass_g=grams[1] if len(grams) > 1 else 0,
    )


def _grams(number: int, text: str) -> int:
    plain = text.removesuffix("kg").strip()
    if not plain.isascii() or not plain.replace(".", "", 1).isdigit():
        raise InvalidError(f"items, line {number}, mass", text, "kilograms, such as 1000 or 20.5")
    grams = Decimal(plain) * GRAMS_PER_KG
    if grams != grams.to_integral_value():
        raise InvalidError(f"items, line {number}, mass", text, "no finer than a gram")
    return int(grams)
