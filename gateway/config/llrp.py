"""An RFID reader on the network that speaks LLRP."""

from typing import Annotated, Final

from msgspec import Meta, Struct, field

from gateway.config.types import Named, Seconds, SensorName, Url, Vocabulary, check_url
from gateway.errors import ConfigError

LLRP_FAMILY: Final = "llrp"
LLRP_SCHEMES: Final = ("tcp", "tls")
REPORT_MS_MIN: Final = 100  # A shorter round would not reach every antenna.
PER_TAG_ROUND_MS: Final = 1_000

# What an envelope's column holds.
AntennaNumber = Annotated[int, Meta(ge=1, le=255)]


class AntennaSection(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """An antenna that looks at a zone of its own, and so is a sensor of its own."""

    number: AntennaNumber
    sensor: SensorName


class LlrpSection(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One reader; ``sensor`` is itself and every antenna that has no sensor of its own.

    Without ``antennas`` the reader uses all that it has. ``report_ms`` is the length of a round,
    at whose end its tags are reported; 0 reports each tag at once.
    """

    sensor: SensorName
    url: Url
    antennas: list[AntennaNumber] = field(default_factory=list[int])
    antenna: list[AntennaSection] = field(default_factory=list[AntennaSection])
    report_ms: Annotated[int, Meta(ge=0, le=60_000)] = 1_000
    keepalive_s: Annotated[float, Meta(ge=0.1, le=600)] = 5.0
    late_s: Seconds = 5.0
    heartbeat_s: Seconds = 5.0
    ca_file: str | None = None
    cert_file: str | None = None
    key_file: str | None = None
    server_name: Annotated[str, Meta(min_length=1, max_length=255)] | None = None

    @property
    def round_ms(self) -> int:
        """How long the reader looks before it says so."""
        return self.report_ms or PER_TAG_ROUND_MS

    @property
    def numbers(self) -> list[int]:
        """The antennas to use, in ascending order; none: all."""
        return sorted({*self.antennas, *(a.number for a in self.antenna)}) if self.antennas else []

    @property
    def sensors(self) -> list[str]:
        """The sensor of the reader itself, and those of its antennas."""
        return list(dict.fromkeys((self.sensor, *(a.sensor for a in self.antenna))))


def name_llrp(key: str, section: LlrpSection) -> Named:
    """Yield where ``section`` names a sensor."""
    yield f"{key}.sensor", section.sensor, key
    for index, antenna in enumerate(section.antenna):
        yield f"{key}.antenna[{index}].sensor", antenna.sensor, key


def check_llrp(key: str, section: LlrpSection, _vocabulary: Vocabulary) -> None:
    """Refuse an address that is no reader's, antennas named twice, and times at odds.

    Raises:
        ConfigError: With the key, its value and the bound.
    """
    check_url(f"{key}.url", section.url, LLRP_SCHEMES)
    if len(set(section.antennas)) < len(section.antennas):
        raise ConfigError(f"{key}.antennas", section.antennas, "without a number twice")
    numbers: set[int] = set()
    for index, antenna in enumerate(section.antenna):
        if antenna.number in numbers:
            raise ConfigError(f"{key}.antenna[{index}].number", antenna.number, "given once")
        numbers.add(antenna.number)
    if 0 < section.report_ms < REPORT_MS_MIN:
        bound = f"0 (each tag at once) or at least {REPORT_MS_MIN}"
        raise ConfigError(f"{key}.report_ms", section.report_ms, bound)
    if section.round_ms > 1_000 * section.late_s:
        bound = f"at most late_s ({section.late_s:g} s): each round is a sign of life"
        raise ConfigError(f"{key}.report_ms", section.report_ms, bound)
    _check_tls(key, section)


def _check_tls(key: str, section: LlrpSection) -> None:
    if (section.cert_file is None) != (section.key_file is None):
        raise ConfigError(f"{key}.cert_file", section.cert_file, "given together with key_file")
    if section.url.startswith("tls:"):
        return
    for name in ("ca_file", "cert_file", "server_name"):
        if (value := getattr(section, name)) is not None:
            raise ConfigError(f"{key}.{name}", value, "given only with a tls:// url")
