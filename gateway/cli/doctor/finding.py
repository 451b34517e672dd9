"""What one check says."""

from enum import StrEnum

from msgspec import Struct


class Verdict(StrEnum):
    """How bad it is."""

    OK = "ok"
    WARNING = "warning"  # It works, and will cause trouble.
    PROBLEM = "problem"  # It does not work.


class Finding(Struct, frozen=True, kw_only=True):
    """One thing that was looked at; ``remedy`` says what to do, where something is to be done."""

    check: str
    verdict: Verdict
    what: str
    remedy: str = ""


def ok(check: str, what: str) -> Finding:
    """Return that ``check`` found nothing wrong."""
    return Finding(check=check, verdict=Verdict.OK, what=what)


def warning(check: str, what: str, remedy: str) -> Finding:
    """Return that ``check`` found what will cause trouble."""
    return Finding(check=check, verdict=Verdict.WARNING, what=what, remedy=remedy)


def problem(check: str, what: str, remedy: str) -> Finding:
    """Return that ``check`` found what does not work."""
    return Finding(check=check, verdict=Verdict.PROBLEM, what=what, remedy=remedy)
