"""What is done with applications: loaded, decided by the engine and the kind's rules, stored."""

from backend.applications.service.engine import (
    NewApplication,
    NewStep,
    advance,
    expire,
    load_view,
    load_views,
    open_application,
)
from backend.applications.service.view import ApplicationView, Chance
from backend.applications.store.applications import fetch_due

__all__ = [
    "ApplicationView",
    "Chance",
    "NewApplication",
    "NewStep",
    "advance",
    "expire",
    "fetch_due",
    "load_view",
    "load_views",
    "open_application",
]
