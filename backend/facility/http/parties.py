"""Who is one of a loan's two parties."""

from typing import Annotated

from fastapi import Depends

from backend.deps import require
from backend.parties.types import Actor, Role

AsParty = Annotated[Actor, Depends(require(Role.LENDER, Role.BORROWER))]
