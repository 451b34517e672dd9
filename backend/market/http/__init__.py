"""Routes of the market."""

from fastapi import APIRouter

from backend.market.http import calendars, feeds, grades, instruments, prices

router = APIRouter()
for module in (instruments, prices, calendars, grades, feeds):
    router.include_router(module.router)
