"""The simulated site's panel, only where one is configured: let something happen, take it back."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, Final

import httpx
from fastapi import Depends, Form, Request, Response

from backend.config import Settings
from backend.deps import AppSettings, Principal, principal
from backend.errors import NotFoundError, RefusedError, UnavailableError
from backend.parties.errors import RoleError
from backend.web.console import done, new_router, render
from backend.web.navigation import SIMULATES

router = new_router()
TIMEOUT_S: Final = 5.0  # The simulator runs beside us; longer, and it is not there.
INCIDENTS_SHOWN: Final = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class KindCard:
    """A kind of incident as the panel offers it."""

    kind: str
    title: str
    text: str
    takes_lot: bool


KINDS: Final = (
    KindCard(
        kind="take_pallet",
        title="Take a pallet",
        text="A pallet leaves the site: its tag falls silent, the scale gets lighter.",
        takes_lot=True,
    ),
    KindCard(
        kind="move_pallet",
        title="Move a pallet",
        text="A pallet is driven to the dock: another reader sees its tag.",
        takes_lot=True,
    ),
    KindCard(
        kind="take_goods_leave_tags",
        title="Leave the tags, take the goods",
        text="Tags are cut off and left behind: only the scale can tell.",
        takes_lot=True,
    ),
    KindCard(
        kind="swap_lighter",
        title="Swap goods for lighter dummies",
        text="Bags of stones under the same tags: only the scale can tell.",
        takes_lot=True,
    ),
    KindCard(
        kind="shield_tag",
        title="Wrap a tag in foil",
        text="A tag falls silent, its goods stay on the scale: no theft.",
        takes_lot=True,
    ),
    KindCard(
        kind="overheat",
        title="Overheat the cold store",
        text="The cooling fails; the temperature climbs over the goods' limit.",
        takes_lot=False,
    ),
    KindCard(
        kind="drop", title="Drop a pallet", text="A hard shock in the cold store.", takes_lot=False
    ),
    KindCard(
        kind="cover_camera",
        title="Cover the camera",
        text="The dock's camera sees nothing any more.",
        takes_lot=False,
    ),
    KindCard(
        kind="cut_scale_cable",
        title="Cut the scale's cable",
        text="The floor scale falls silent; the copper is no longer weighed.",
        takes_lot=False,
    ),
    KindCard(
        kind="cut_network",
        title="Cut the gateway's network",
        text="The link stays open and drops every byte; the gateway keeps everything.",
        takes_lot=False,
    ),
    KindCard(
        kind="price_drop",
        title="Drop the price by 15 %",
        text="The feed quotes one commodity lower: coverage falls.",
        takes_lot=False,
    ),
)


def player(who: Annotated[Principal, Depends(principal)], settings: AppSettings) -> Principal:
    """Let those pass who may play with the simulated site.

    Raises:
        NotFoundError: No simulator is configured.
        RoleError: The role may not.
    """
    if settings.simulator_url is None:
        raise NotFoundError("page", "/simulator")
    if who.actor.role not in SIMULATES:
        raise RoleError(who.actor.role, tuple(sorted(role.value for role in SIMULATES)))
    return who


Player = Annotated[Principal, Depends(player)]


@router.get("/simulator")
def show_panel(request: Request, who: Player, settings: AppSettings) -> Response:
    """Show what can happen and what has."""
    try:
        lots = _call(settings, "GET", "/kinds")["lots"]
        incidents = _incidents(_call(settings, "GET", "/incidents"))
        error = None
    except UnavailableError as failure:
        lots, incidents, error = [], [], failure.message
    return render(
        request, who, "simulator.html", kinds=KINDS, lots=lots, incidents=incidents, error=error
    )


@router.post("/simulator/incidents")
def start_incident(
    request: Request,
    who: Player,
    settings: AppSettings,
    kind: Annotated[str, Form(max_length=40)],
    lot: Annotated[str, Form(max_length=80)] = "",
) -> Response:
    """Let an incident happen."""
    body = {"kind": kind} | ({"lot": lot} if lot else {})
    _call(settings, "POST", "/incidents", body)
    title = next((card.title for card in KINDS if card.kind == kind), kind)
    return done(request, f"{title}: done. Watch the alerts.", "/simulator")


@router.post("/simulator/incidents/{incident_id}/undo")
def undo_incident(
    incident_id: str, request: Request, who: Player, settings: AppSettings
) -> Response:
    """Take an incident back."""
    if not incident_id.isascii() or not incident_id.replace("-", "").isalnum():
        raise NotFoundError("incident", incident_id)
    _call(settings, "POST", f"/incidents/{incident_id}/undo")
    return done(request, "Taken back.", "/simulator")


def _call(settings: Settings, method: str, path: str, body: object | None = None) -> Any:  # noqa: ANN401 - JSON is any
    """Return what the simulator answers.

    Raises:
        RefusedError: It refused.
        UnavailableError: It is away.
    """
    try:
        answer = httpx.request(
            method,
            f"{settings.simulator_url}{path}",
            json=body,
            timeout=TIMEOUT_S,
            trust_env=False,
        )
        content = answer.json()
    except (httpx.HTTPError, ValueError) as error:
        message = "the simulator does not answer: is it running?"
        raise UnavailableError("simulator_unavailable", message) from error
    if answer.status_code >= 400:
        message = content.get("message", "refused")
        raise RefusedError("simulator_refused", str(message))
    return content


def _incidents(found: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the newest incidents first, with their times."""
    newest = list(reversed(found))[:INCIDENTS_SHOWN]
    return [
        {**each, "started_at": datetime.fromtimestamp(each["started_unix_us"] / 1e6, UTC)}
        for each in newest
    ]
