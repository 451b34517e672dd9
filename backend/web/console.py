"""How a page is answered: templates, errors as pages, forms with and without htmx."""

from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, Final
from urllib.parse import quote

import jinja2
from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, RedirectResponse
from fastapi.routing import APIRoute
from pydantic import ValidationError
from starlette.exceptions import HTTPException

from backend.deps import Principal, get_clock, get_settings
from backend.errors import PledgewatchError, UnauthenticatedError
from backend.market.types import UNIT_SYMBOLS
from backend.web import format as fmt
from backend.web import orders
from backend.web.navigation import links_of
from backend.web.static_files import load_files
from backend.web.types import PAGE_ROWS, Pager

FILES: Final = load_files()
PAGES_MAX: Final = 10_000  # Beyond, an offset is a denial of service.
Context = Mapping[str, object]
_ANSWERED: Final = (PledgewatchError, RequestValidationError, ValidationError, HTTPException)
Handler = Callable[[Request], Awaitable[Response]]


def static_url(name: str) -> str:
    """Return the address of a file, with its content's digest."""
    return f"/static/{name}?v={FILES[name].digest}"


def _environment() -> jinja2.Environment:
    """Return the templates, with what they may call."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    filters: dict[str, Any] = environment.filters
    filters |= {
        "money": fmt.money,
        "amount": fmt.amount,
        "percent": fmt.percent,
        "mass": fmt.mass,
        "price": fmt.price,
        "reading": fmt.reading,
        "words": fmt.words,
        "stamp": fmt.stamp,
        "moment": fmt.moment,
        "detail": fmt.detail,
        "plain": fmt.plain,
        "causes": fmt.causes,
        "skew": fmt.skew,
        "clock_state": fmt.clock_state,
        "lock_title": fmt.lock_title,
        "reason_text": fmt.reason_text,
        "factor": fmt.factor,
        "certainty": fmt.certainty,
        "goods": orders.goods,
        "destination": orders.destination,
        "progress": orders.progress,
        "linked": orders.linked,
        "brief": orders.brief,
        "span": fmt.span,
    }
    names: dict[str, Any] = environment.globals
    names["evidence_weight"] = fmt.evidence_weight
    names["counted"] = orders.counted
    names |= {"chip": fmt.chip, "when": fmt.when, "NOTHING": fmt.NOTHING, "static": static_url}
    names["PAGE_ROWS"] = PAGE_ROWS
    names["UNIT_SYMBOLS"] = UNIT_SYMBOLS  # A unit is a string, and so are a row's.
    return environment


_TEMPLATES: Final = _environment()


class ConsoleRoute(APIRoute):
    """A route whose errors come back as pages: a stranger is sent to the login."""

    def get_route_handler(self) -> Callable[[Request], Any]:
        """Return the handler with its errors turned into HTML, for whoever asks for HTML."""
        handler: Handler = super().get_route_handler()

        async def answered(request: Request) -> Response:
            try:
                return await handler(request)
            except _ANSWERED as error:
                if "text/html" not in request.headers.get("accept", ""):
                    raise
                return _problem(request, error)

        return answered


def new_router() -> APIRouter:
    """Return a router for pages: outside the API's description."""
    return APIRouter(route_class=ConsoleRoute, include_in_schema=False)


def pager(
    page: Annotated[int, Query(ge=1, le=PAGES_MAX)] = 1,
    q: Annotated[str, Query(max_length=80)] = "",
) -> Pager:
    """Return which page of a list is asked for."""
    return Pager(page=page, search=q.strip())


AskedPage = Annotated[Pager, Depends(pager)]


def is_htmx(request: Request) -> bool:
    """Return whether a page's script asks, for a part of the page."""
    return request.headers.get("hx-request") == "true"


def render(request: Request, who: Principal | None, template: str, /, **context: Any) -> Response:  # noqa: ANN401 - whatever the template shows
    """Return a page; only its live part when the page's own script asks again."""
    return HTMLResponse(_text(request, who, template, context))


def done(request: Request, message: str, to: str, *, keep: bool = False) -> Response:
    """Say that a form's wish was fulfilled: in the page, or by the page ``to`` without script.

    What must be read (``keep``) is a page of its own then.
    """
    if is_htmx(request):
        return HTMLResponse(_note("good", message, keep=keep), headers={"HX-Trigger": "pw-done"})
    if keep:
        return HTMLResponse(_text(request, None, "notice.html", {"message": message, "back": to}))
    return RedirectResponse(to, status_code=303)


def go(request: Request, to: str) -> Response:
    """Lead on to another page of ours, after a form that has made it."""
    if is_htmx(request):
        return Response(headers={"HX-Redirect": to})
    return RedirectResponse(to, status_code=303)


def safe_path(path: str | None) -> str:
    """Return a path of ours to go to after the login; the home page for anything else."""
    if path is None or not path.startswith("/") or path.startswith(("//", "/\\")):
        return "/"
    return path


def _text(request: Request, who: Principal | None, template: str, context: Context) -> str:
    now = get_clock(request).now()
    settings = get_settings(request)
    role = None if who is None else who.actor.role
    values: dict[str, object] = {
        "layout": "layout_part.html" if is_htmx(request) else "layout_page.html",
        "now": now,
        "who": who,
        "role": None if role is None else role.value,
        "csrf_token": None if who is None or who.session is None else who.session.csrf_token,
        "links": links_of(role, simulator=settings.simulator_url is not None),
        "path": request.url.path,
        "query": f"?{request.url.query}" if request.url.query else "",
        **context,
    }
    return _TEMPLATES.get_template(template).render(values)


def _note(tone: str, message: str, *, keep: bool = False) -> str:
    """Return a sentence for the page; one to be kept stays until it is clicked."""
    template = _TEMPLATES.get_template("parts/note.html")
    return template.render(tone=tone, message=message, keep=keep)


def _problem(request: Request, error: Exception) -> Response:
    status, message = _status_and_message(error)
    if is_htmx(request):
        return _problem_part(request, status, message)
    if status == 401 and request.method in ("GET", "HEAD"):
        return RedirectResponse(f"/login?next={quote(request.url.path)}", status_code=303)
    text = _text(
        request,
        None,
        "problem.html",
        {"status": status, "message": message, "back": _back(request)},
    )
    return HTMLResponse(text, status_code=status)


def _problem_part(request: Request, status: int, message: str) -> Response:
    """Return an error for the page's script: into the form's note, never in place of the page."""
    if status == 401:
        return Response(status_code=status, headers={"HX-Redirect": "/login"})
    note = _note("bad", message)
    headers = {}
    if request.method == "GET":
        headers = {"HX-Retarget": "#page-note", "HX-Reswap": "innerHTML"}
    return HTMLResponse(note, status_code=status, headers=headers)


def _status_and_message(error: Exception) -> tuple[int, str]:
    match error:
        case RequestValidationError() | ValidationError():
            problems = [
                f"{str((each['loc'] or ('form',))[-1]).replace('_', ' ')}: {each['msg']}"
                for each in error.errors()[:5]
            ]
            return 422, "; ".join(problems)
        case HTTPException():
            return error.status_code, str(error.detail)
        case UnauthenticatedError():
            return error.status, "You are not logged in, or your session is over. Log in again."
        case PledgewatchError():
            return error.status, error.message
        case _:
            raise AssertionError(error)


def _back(request: Request) -> str:
    """Return the path of the page that a failed form was on, as the browser tells."""
    referer = request.headers.get("referer", "")
    origin = f"{request.url.scheme}://{request.url.netloc}/"
    return safe_path("/" + referer.removeprefix(origin)) if referer.startswith(origin) else "/"
