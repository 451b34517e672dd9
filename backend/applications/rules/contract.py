"""The contract of a pledge of movable goods, drawn up from what was decided. Pure."""

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID, uuid5

from backend.applications.rules.fields import number
from backend.applications.types.machine import Seat, Values
from backend.applications.types.movable import Certificate
from backend.applications.types.record import Application
from backend.errors import InvalidError
from backend.money import minor_digits
from backend.telemetry.types import unix_us_of
from schemas.contract import (
    Certified,
    Contract,
    DayCount,
    Goods,
    Signatory,
    decode_contract,
    encode_contract,
)
from schemas.errors import MalformedError


def draw_contract(
    application: Application,
    names: Mapping[Seat, str],
    certified: tuple[Certificate, bytes],
    values: Values,
    stands: tuple[datetime, datetime],
) -> bytes:
    """Return the bytes of the contract that both parties are to sign.

    Args:
        application: with its seats and pledge.
        names: of the parties in the seats.
        certified: the value certificate, and the SHA-256 of its bytes.
        values: the lender's decision.
        stands: from when until when it can be signed.

    Raises:
        InvalidError: A name can not stand in a contract.
    """
    certificate, sha256 = certified
    assert application.pledge_id is not None
    contract = Contract(
        # The same offer has the same number; another offer of the same application another one.
        id=uuid5(UUID(str(application.id)), f"{stands[0].isoformat()} {sha256.hex()}"),
        application=application.id,
        lender=_signatory(application, names, Seat.LENDER),
        borrower=_signatory(application, names, Seat.BORROWER),
        keeper=_signatory(application, names, Seat.LOGISTICS),
        currency=application.currency,
        minor_digits=minor_digits(application.currency),
        limit_minor=number(values, "limit_minor"),
        rate_bps=number(values, "rate_bps"),
        day_count=DayCount.ACT_360,
        term_days=number(values, "term_days"),
        lines_bps=(
            number(values, "warning_line_bps"),
            number(values, "call_line_bps"),
            number(values, "liquidation_line_bps"),
        ),
        cure_hours=number(values, "cure_hours"),
        goods=_goods(certificate),
        certified=Certified(
            sha256=sha256,
            value_minor=certificate.value_minor,
            lendable_minor=certificate.lendable_minor,
            at_unix_us=unix_us_of(certificate.at),
        ),
        pledge=application.pledge_id,
        offered_unix_us=unix_us_of(stands[0]),
        ends_unix_us=unix_us_of(stands[1]),
    )
    content = encode_contract(contract)
    try:
        decode_contract(content)
    except MalformedError as error:
        raise InvalidError(f"contract: {error.field}", error.value, error.bound) from error
    return content


def _goods(certificate: Certificate) -> tuple[Goods, ...]:
    return tuple(
        Goods(
            lot=lot.lot_id,
            name=lot.name,
            commodity=lot.commodity,
            place=lot.place,
            mass_g=lot.registered_mass_g,
        )
        for lot in sorted(certificate.lots, key=lambda lot: lot.lot_id)
    )


def _signatory(application: Application, names: Mapping[Seat, str], seat: Seat) -> Signatory:
    return Signatory(party=application.seats[seat], name=names[seat])
