"""Routes of collateral."""

from fastapi import APIRouter

from backend.collateral.http import lots, pledges

router = APIRouter()
router.include_router(lots.router)
router.include_router(pledges.router)
