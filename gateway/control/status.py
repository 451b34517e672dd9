"""The state of a running gateway as one value; what travels over the control socket. Pure.

Unknown fields are ignored, so that a command of another version can read the daemon's answer.
"""

from msgspec import Struct, field
from msgspec.structs import asdict


class ChannelStatus(Struct, frozen=True, kw_only=True):
    """The newest reading of one channel: ``value`` in ``unit``, or ``text``."""

    channel: str
    age_s: float
    value: float | None = None
    unit: str = ""
    quality: str = ""
    text: str = ""


class SensorStatus(Struct, frozen=True, kw_only=True):
    """One sensor; ``age_s`` is None while nothing was ever heard of it."""

    name: str
    driver: str
    health: str
    why: str
    age_s: float | None
    channels: list[ChannelStatus]
    counts: dict[str, int]


class DriverStatus(Struct, frozen=True, kw_only=True):
    """One bus or port: its driver's state, for how long, and its last error."""

    name: str
    kind: str
    state: str
    for_s: float
    restarts: int
    error: str
    retry_in_s: float | None


class OutboxStatus(Struct, frozen=True, kw_only=True):
    """The queue; ``oldest_age_s`` is the age of the oldest envelope without a receipt."""

    emitted: int
    sealed: int
    unreceipted: int
    bytes: int
    bytes_max: int
    head_number: int
    receipted_number: int
    head_known: bool
    oldest_age_s: float | None = None
    thinned: int = 0
    dropped: int = 0


class UplinkStatus(Struct, frozen=True, kw_only=True):
    """The link to broker and backend."""

    address: str
    state: str
    for_s: float
    error: str
    stopped: str
    retry_in_s: float | None
    receipt_number: int | None
    receipt_age_s: float | None
    forged: int


class CertificateStatus(Struct, frozen=True, kw_only=True):
    """The certificate for the broker; ``failures`` of its renewal so far, and the last error."""

    age_s: float
    ends_in_s: float
    failures: int
    error: str


class ClockStatus(Struct, frozen=True, kw_only=True):
    """The wall clock: who disciplines it, and how often it stepped since the start."""

    state: str
    unix_us: int
    boot_id: str
    steps: int


class ProcessStatus(Struct, frozen=True, kw_only=True):
    """What the daemon costs."""

    pid: int
    uptime_s: float
    rss_bytes: int
    cpu_s: float


class Status(Struct, frozen=True, kw_only=True):
    """Everything; ``outbox`` is None while its disk does not answer.

    ``key_fault`` says why the key does not sign now; empty: it does.
    """

    gateway: str
    software: str
    software_sha256: str
    config_file: str
    config_sha256: str
    sensors: list[SensorStatus]
    drivers: list[DriverStatus]
    outbox: OutboxStatus | None
    uplink: UplinkStatus
    clock: ClockStatus
    process: ProcessStatus
    key_fault: str = ""
    certificate: CertificateStatus | None = None


class Renewed(Struct, frozen=True, kw_only=True):
    """Until when the next certificate holds."""

    ends_unix_s: int


class Rotating(Struct, frozen=True, kw_only=True):
    """The key that follows, once the backend has receipted all under the present one."""

    key_id: str
    public_key: str


class Reloaded(Struct, frozen=True, kw_only=True):
    """What a change of the configuration did; ``restart_needed`` names keys not yet in force."""

    config_sha256: str
    started: list[str] = field(default_factory=list[str])
    restarted: list[str] = field(default_factory=list[str])
    stopped: list[str] = field(default_factory=list[str])
    reconnected: bool = False
    restart_needed: list[str] = field(default_factory=list[str])

    @property
    def idle(self) -> bool:
        """Whether nothing had to be done."""
        return not (self.started or self.restarted or self.stopped or self.reconnected)

    @property
    def done(self) -> dict[str, object]:
        """What was done, by name."""
        return {name: value for name, value in asdict(self).items() if name != "config_sha256"}


class Request(Struct, frozen=True, forbid_unknown_fields=True):
    """One line to the daemon."""

    ask: str
