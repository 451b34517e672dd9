"""What one detector made of the truth of one seed: plain values, to be sent between processes."""

from dataclasses import dataclass
from enum import StrEnum


class Verdict(StrEnum):
    """What an alert was about."""

    TRUE = "true"  # An incident, and of a kind that fits it.
    BESIDE = "beside"  # During an incident on its lot, of another kind.
    OUTAGE = "outage"  # A link, clock or sensor was out, and it says so.
    AUTHORISED = "authorised"  # False: the lender had released what moved.
    HARMLESS = "harmless"  # False: it only looked like an incident.
    FALSE = "false"

    @property
    def is_false(self) -> bool:
        """Whether it should not have been."""
        return self in (Verdict.AUTHORISED, Verdict.HARMLESS, Verdict.FALSE)


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoredAlert:
    """An alert and what it was about; ``critical_us`` None: it never was that grave."""

    seed: int
    site: str
    lot: str | None
    kind: str
    cause: str
    opened_us: int
    critical_us: int | None
    summary: str
    verdict: Verdict
    label: str | None = None
    evidence: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoredLabel:
    """An incident, or what looks like one, and what came of it.

    ``found_us`` and ``critical_us`` are when the first alert that fits was raised, and was grave;
    ``alarms`` counts grave alerts about something harmless. ``sensors`` are the kinds of sensors
    that watch its lot, ``shown_by`` the sensors that could show it, those left out among them.
    """

    seed: int
    site: str
    id: str
    kind: str
    lot: str | None
    truth: str
    harms: tuple[str, ...]
    harmless: bool
    begins_us: int
    ends_us: int
    begins_s: float
    found_us: int | None
    critical_us: int | None
    found_as: str
    alarms: int
    sensors: tuple[str, ...]
    shown_by: tuple[str, ...]
    outage: bool

    @property
    def delay_s(self) -> float | None:
        """The time from the incident to the alert."""
        return None if self.found_us is None else (self.found_us - self.begins_us) / 1e6

    @property
    def critical_s(self) -> float | None:
        """The time from the incident to an alert that is critical."""
        return None if self.critical_us is None else (self.critical_us - self.begins_us) / 1e6


@dataclass(frozen=True, slots=True, kw_only=True)
class Scored:
    """What one detector made of one seed."""

    labels: tuple[ScoredLabel, ...]
    alerts: tuple[ScoredAlert, ...]
    movements: int  # Under a release order.
    movements_alarmed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One seed: our detectors, the naive rule, and what it took."""

    seed: int
    sites: int
    site_months: float
    ours: Scored
    naive: Scored
    readings: int
    turns: int
    cpu_s: float
    raised: tuple[tuple[str, int], ...]
    compared: int
    differences: tuple[str, ...]
