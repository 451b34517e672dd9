"""What the parties' rules refuse."""

from backend.errors import ForbiddenError, UnauthenticatedError


class BadLoginError(UnauthenticatedError):
    """Login and password do not match, or the account rests; which of them, nobody learns."""

    def __init__(self) -> None:
        super().__init__(
            "bad_login", "wrong login or password, or too many failed attempts: wait a minute"
        )


class NotLoggedInError(UnauthenticatedError):
    """No session or token came with the request, or it is over."""

    def __init__(self) -> None:
        super().__init__("not_logged_in", "log in, or send a valid token")


class CsrfError(ForbiddenError):
    """A request by cookie does not prove that our own page sent it."""

    def __init__(self) -> None:
        super().__init__(
            "send the session's CSRF token as header X-CSRF-Token or form field csrf_token"
        )


class RoleError(ForbiddenError):
    """The account's role may not do this."""

    def __init__(self, role: str, allowed: tuple[str, ...]) -> None:
        super().__init__(
            f"role {role} may not do this, only {', '.join(allowed)}", role=role, allowed=allowed
        )
