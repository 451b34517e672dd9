"""Routes of the market."""

from fastapi import APIRouter

from backend.market.http import calendars, grades, instruments, prices

router = APIRouter()
for module in (instruments, prices, calendars, grades):
    router.include_router(module.router)
