"""Coming in, going out, and each role's first page."""

from typing import Annotated

from fastapi import Form, Request, Response
from fastapi.responses import RedirectResponse

from backend.deps import AppSettings, CurrentPrincipal, Db, Now, OptionalPrincipal
from backend.parties.errors import BadLoginError
from backend.parties.http import logout as end_session
from backend.parties.http import open_browser_session, set_session_cookie
from backend.web.console import new_router, render, safe_path
from backend.web.navigation import links_of

router = new_router()


@router.get("/")
def home(who: CurrentPrincipal) -> Response:
    """Send a role to its first page, a stranger to the login."""
    return RedirectResponse(links_of(who.actor.role, simulator=False)[0].path, status_code=303)


@router.get("/login")
def login_page(request: Request, who: OptionalPrincipal) -> Response:
    """Ask for login and password; whoever is in already goes on."""
    to = safe_path(request.query_params.get("next"))
    if who is not None:
        return RedirectResponse(to, status_code=303)
    return render(request, None, "login.html", to=to, login="", error=None)


@router.post("/login")
def log_in(
    request: Request,
    db: Db,
    settings: AppSettings,
    now: Now,
    login: Annotated[str, Form(max_length=64)] = "",
    password: Annotated[str, Form(max_length=1024)] = "",
) -> Response:
    """Open a session and go on to the page that was asked for."""
    to = safe_path(request.query_params.get("next"))
    name = login.strip().lower()
    try:
        opened = open_browser_session(db, name, password, now, settings.session_hours)
    except BadLoginError as error:
        page = render(request, None, "login.html", to=to, login=name, error=error.message)
        page.status_code = error.status
        return page
    response = RedirectResponse(to, status_code=303)
    set_session_cookie(request, response, opened, now)
    return response


@router.post("/logout")
def log_out(request: Request, db: Db, who: CurrentPrincipal) -> Response:
    """End the session and go to the login."""
    response = RedirectResponse("/login", status_code=303)
    end_session(request, response, db, who)
    return response
