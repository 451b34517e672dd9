"""One incident of the story, to its end: cause, lock, refused drawdown, undo, resolve, lift."""

from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import httpx

from deploy.client import ApiClient, ApiError
from deploy.errors import DeployError
from deploy.lock_watch import LockWatch, SeenLock
from deploy.ports import polls
from deploy.seed import FACILITIES, Seeded

LOCK_S_MAX = 45.0  # The slowest kind waits for a silent link: max_gap_s and a sweep.
CLEAR_S_MAX = 60.0  # Goods put back are seen again after some inventory rounds.


class StoryError(DeployError):
    """Something that must hold did not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A kind of incident on a lot, the facility it must lock, and the reasons that are right."""

    kind: str
    lot: str
    facility: str
    reasons: frozenset[str]


CASES = (
    Case(
        kind="take_pallet", lot="copper", facility="Metals", reasons=frozenset({"QUANTITY_SHORT"})
    ),
    Case(kind="drop", lot="fish", facility="Provisions", reasons=frozenset({"DAMAGED"})),
    Case(
        kind="take_pallet",
        lot="aluminium",
        facility="Metals",
        reasons=frozenset({"QUANTITY_SHORT"}),
    ),
    Case(kind="overheat", lot="fish", facility="Provisions", reasons=frozenset({"DAMAGED"})),
    Case(
        kind="take_goods_leave_tags",
        lot="aluminium",
        facility="Metals",
        reasons=frozenset({"QUANTITY_SHORT"}),
    ),
    Case(
        kind="move_pallet",
        lot="fish",
        facility="Provisions",
        reasons=frozenset({"RELOCATED", "QUANTITY_SHORT"}),
    ),
    Case(
        kind="take_goods_leave_tags",
        lot="copper",
        facility="Metals",
        reasons=frozenset({"QUANTITY_SHORT"}),
    ),
    Case(
        kind="cover_camera",
        lot="fish",
        facility="Provisions",
        reasons=frozenset({"TAMPERED", "SENSOR_LOST"}),
    ),
)
"""Eight cases of six kinds; the story plays each facility's round and round."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Played:
    """What one incident showed."""

    kind: str
    lot: str
    reason: str
    lock_id: int
    first_bytes_unix_us: int
    seen_unix_us: int
    refused: list[dict[str, Any]]

    @property
    def sensor_to_lock_us(self) -> int:
        """From the first bytes that left a device until the committed lock was seen."""
        return self.seen_unix_us - self.first_bytes_unix_us


class Stage:
    """The logins and observers that the incidents need."""

    def __init__(
        self,
        *,
        control_url: str,
        lender: ApiClient,
        borrower: ApiClient,
        seeded: Seeded,
        watch: LockWatch,
    ) -> None:
        self.lender = lender
        self.borrower = borrower
        self.facilities = seeded.facilities
        self.lots = seeded.lots
        self.watch = watch
        self._simulator = httpx.Client(base_url=control_url, timeout=10.0, trust_env=False)

    def close(self) -> None:
        """Close the connection to the simulator."""
        self._simulator.close()

    def play(self, case: Case) -> Played:
        """Play one incident to its end.

        Raises:
            StoryError: No lock, a drawdown that was not refused, or a lock that did not lift.
        """
        facility_id = self.facilities[case.facility]
        self.wait_unlocked(case.facility)
        after_id = self.watch.last_id()
        incident = self.cause(case.kind, case.lot)
        lock = self.watch.wait_for(facility_id, after_id, case.reasons, LOCK_S_MAX)
        if lock is None:
            message = f"{case.kind} of {case.lot}: no lock of {sorted(case.reasons)} in time"
            raise StoryError(message)
        refused = self.refused_drawdown(case.facility)
        first_bytes = self.first_bytes_unix_us(incident["id"])
        self.undo(incident["id"])
        self.wait_unlocked(case.facility)
        return _played(case, lock, first_bytes, refused)

    def cause(self, kind: str, lot: str | None = None) -> dict[str, Any]:
        """Let an incident happen and return its label."""
        response = self._simulator.post("/incidents", json={"kind": kind, "lot": lot})
        if response.is_error:
            message = f"simulator: {kind} of {lot}: {response.status_code} {response.text}"
            raise StoryError(message)
        return dict(response.json())

    def undo(self, incident_id: str) -> None:
        """Take an incident back."""
        self._simulator.post(f"/incidents/{incident_id}/undo").raise_for_status()

    def first_bytes_unix_us(self, incident_id: str) -> int:
        """Return when the first device bytes that show the incident left the device."""
        label = self._simulator.get(f"/incidents/{incident_id}").raise_for_status().json()
        if label["first_bytes_unix_us"] is None:
            message = f"{incident_id}: a lock before any device showed it"
            raise StoryError(message)
        return int(label["first_bytes_unix_us"])

    def facility(self, name: str) -> dict[str, Any]:
        """Return a facility as the lender sees it."""
        return dict(self.lender.get(f"/api/facilities/{self.facilities[name]}"))

    def refused_drawdown(self, name: str) -> list[dict[str, Any]]:
        """Request a drawdown of a locked facility and return why it was refused.

        Raises:
            StoryError: It was not refused, or without a reason.
        """
        body = {"id": str(uuid4()), "amount_minor": 100}
        try:
            answer = self.borrower.post(f"/api/facilities/{self.facilities[name]}/drawdowns", body)
        except ApiError as error:
            reasons = reasons_of(error)
            if not reasons:
                message = f"refused without a reason: {error}"
                raise StoryError(message) from error
            return reasons
        message = f"a drawdown of a locked facility was not refused: {answer}"
        raise StoryError(message)

    def wait_unlocked(self, name: str, limit_s: float = CLEAR_S_MAX) -> None:
        """Resolve what may be resolved until the facility has no lock.

        Raises:
            StoryError: A lock stayed.
        """
        for _ in polls(limit_s, every_s=0.2):
            if not self.facility(name)["locks"]:
                return
            self.resolve_ceased(name)
        facility = self.facility(name)
        message = f"{name}: locks stayed: {facility['locks']}"
        raise StoryError(message)

    def resolve_ceased(self, name: str) -> None:
        """Resolve, as the lender, each alert of a facility that has stopped being true."""
        lot_names = next(lots for facility, lots, _ in FACILITIES if facility == name)
        own = {self.lots[lot] for lot in lot_names} | {self.facilities[name]}
        for alert in self.lender.get("/api/alerts"):
            is_own = alert["lot_id"] in own or alert["facility_id"] in own
            if is_own and alert["state"] != "resolved" and alert["ceased_at"] is not None:
                body = {"resolution": "true_incident", "note": "Goods verified."}
                self.lender.post(f"/api/alerts/{alert['id']}/resolve", body)


def reasons_of(error: ApiError) -> list[dict[str, Any]]:
    """Return the reasons in a refusal."""
    detail: Any = error.body.get("error", {}).get("detail", {})
    return list(detail.get("reasons", []))


def _played(
    case: Case, lock: SeenLock, first_bytes_us: int, refused: list[dict[str, Any]]
) -> Played:
    return Played(
        kind=case.kind,
        lot=case.lot,
        reason=lock.reason,
        lock_id=lock.id,
        first_bytes_unix_us=first_bytes_us,
        seen_unix_us=lock.seen_unix_us,
        refused=refused,
    )
