"""Fields that several routes take."""

from typing import Annotated, Final

from fastapi import Depends
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, StringConstraints

from backend.deps import require
from backend.market.types import Unit
from backend.money import CURRENCIES
from backend.parties.types import Actor, Role

AsFeed = Annotated[Actor, Depends(require(Role.LENDER, Role.OPERATOR))]

# Codes of UNECE Rec 20 that people send for goods by volume or piece.
_NO_MASS: Final = frozenset(
    ("BLL", "BUA", "BUI", "GLL", "GLI", "LTR", "MLT", "HLT", "MTQ", "FTQ", "DMQ", "EA", "H87")
)


def _currency(code: str) -> str:
    if code not in CURRENCIES:
        message = "must be an active currency of ISO 4217 with a minor unit"
        raise ValueError(message)
    return code


def _unit(value: object) -> object:
    if isinstance(value, str) and value in _NO_MASS:
        message = (
            f"{value} is a volume or a count, whose mass depends on the goods: quote a unit of"
            " mass, converted by whoever knows the density"
        )
        raise ValueError(message)
    return value


Currency = Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$"), AfterValidator(_currency)]
MassUnit = Annotated[Unit, BeforeValidator(_unit)]
InstrumentKey = Annotated[str, StringConstraints(pattern=r"^[A-Z0-9][A-Z0-9-]{0,31}$")]
CalendarKey = Annotated[str, StringConstraints(pattern=r"^[A-Z0-9][A-Z0-9-]{0,31}$")]
GradeCode = Annotated[str, StringConstraints(pattern=r"^[A-Z0-9][A-Z0-9._-]{0,31}$")]
Source = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._-]{0,31}$")]
Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=120)]


class Body(BaseModel):
    """What is sent: unknown fields are refused."""

    model_config = ConfigDict(extra="forbid")
