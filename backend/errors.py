"""Errors by who must act on them; each carries the HTTP status it means and what to show.

A message names the field, the value and the bound. Bugs are assertions, never one of these.
"""

from typing import ClassVar, Final

VALUE_CHARACTERS_MAX: Final = 120  # A message quotes what was sent, not a novel of it.


class PledgewatchError(Exception):
    """The root: a stable code for programs, a sentence for people, and details by name."""

    status: ClassVar[int] = 500

    def __init__(self, code: str, message: str, **detail: object) -> None:
        self.code = code
        self.message = message
        self.detail = detail
        super().__init__(f"{code}: {message}")


class RefusedError(PledgewatchError):
    """The caller asks for what the rules do not allow; asking again changes nothing."""

    status = 409


class InvalidError(RefusedError):
    """A value from the caller is outside its bound."""

    status = 422

    def __init__(self, field: str, value: object, bound: str) -> None:
        shown = repr(value)[:VALUE_CHARACTERS_MAX]
        super().__init__(
            "invalid",
            f"{field} is {shown}, must be {bound}",
            field=field,
            value=shown,
            bound=bound,
        )


class UnauthenticatedError(RefusedError):
    """Nobody is logged in, or not with these words."""

    status = 401


class ForbiddenError(RefusedError):
    """The caller is known and may not do this."""

    status = 403

    def __init__(self, message: str, **detail: object) -> None:
        super().__init__("forbidden", message, **detail)


class NotFoundError(RefusedError):
    """There is no such thing, or the caller may not know of it: the answer is the same."""

    status = 404

    def __init__(self, what: str, key: object) -> None:
        super().__init__("not_found", f"there is no {what} {key}", what=what, key=str(key))


class UntrustedError(PledgewatchError):
    """Bytes that do not prove what they claim; the evidence is kept."""

    status = 400


class UnavailableError(PledgewatchError):
    """Something that we need is away or busy; the same request may be sent again."""

    status = 503


class ConfigurationError(PledgewatchError):
    """The installation must be changed before the program can run."""

    def __init__(self, message: str, **detail: object) -> None:
        super().__init__("configuration", message, **detail)
