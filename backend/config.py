"""Settings from the environment, each named PLEDGEWATCH_*; what is wrong is said by name."""

from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated, Final

from pydantic import AfterValidator, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from backend.errors import ConfigurationError

PREFIX: Final = "PLEDGEWATCH_"
CERTIFICATE_HOURS_MAX: Final = 24 * 397  # Longer, and a stolen one outlives its owner's memory.
SESSION_HOURS_MAX: Final = 24 * 14  # A forgotten browser is a key left in the door.


def _check_postgres(url: str) -> str:
    if not url.startswith(("postgresql://", "postgres://")):
        message = "must begin with postgresql://"
        raise ValueError(message)
    return url


def _check_mqtt(url: str) -> str:
    if not url.startswith(("mqtt://", "mqtts://")):
        message = "must begin with mqtt:// or mqtts://"
        raise ValueError(message)
    return url


def _check_http(url: str) -> str:
    if not url.startswith(("http://", "https://")):
        message = "must begin with http:// or https://"
        raise ValueError(message)
    return url.rstrip("/")


def _check_networks(text: str) -> str:
    networks_of(text)
    return text


def networks_of(text: str) -> tuple[IPv4Network | IPv6Network, ...]:
    """Return the networks of a list such as ``10.1.0.0/16,fd00::/8``.

    Raises:
        ValueError: One is none.
    """
    return tuple(ip_network(each.strip()) for each in text.split(",") if each.strip())


MqttUrl = Annotated[str, AfterValidator(_check_mqtt)]
HttpUrl = Annotated[str, AfterValidator(_check_http)]


class Settings(BaseSettings):
    """What an installation decides; docs/operator.md explains each."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="ignore", frozen=True)

    database_url: Annotated[str, AfterValidator(_check_postgres)]
    mqtt_url: MqttUrl | None = None  # with user and password; the worker needs it
    public_mqtt_url: MqttUrl | None = None  # told to gateways at enrolment; default: mqtt_url's
    certificate_mqtt_url: MqttUrl | None = None  # told to those that get a certificate
    certificate_hours: Annotated[float, Field(gt=0, le=CERTIFICATE_HOURS_MAX)] = 24.0 * 90
    state_dir: Path = Path("var/backend")
    http_host: str = "127.0.0.1"
    http_port: Annotated[int, Field(ge=1, le=65_535)] = 8080
    challenges_per_hour: Annotated[float, Field(ge=0, le=60)] = 4.0  # of each gateway; 0: none
    session_hours: Annotated[int, Field(ge=1, le=SESSION_HOURS_MAX)] = 12
    simulator_url: HttpUrl | None = None  # set: the console shows the simulator's panel
    broker_secret: Annotated[SecretStr, Field(min_length=16)] | None = (
        None  # of gateways' passwords
    )
    public_url: HttpUrl | None = None  # the console's, as people reach it: for links in messages
    notify_http: bool = False  # webhooks without TLS too: for demonstrations only
    # Networks besides the public internet that webhooks may go to, with commas between.
    notify_networks: Annotated[str, AfterValidator(_check_networks)] = ""
    notify_ca_file: Path | None = None  # whose certificates webhooks trust; default: the system's
    # Hosts that prices may be pulled from, with commas between, each with or without a port.
    feed_hosts: str = ""
    smtp_url: SecretStr | None = None  # smtp://user:password@host:587; without: no e-mail
    mail_from: str = "pledgewatch@localhost"


def load_settings() -> Settings:
    """Return the settings of this process.

    Raises:
        ConfigurationError: One is missing or out of its bounds; all such are named.
    """
    try:
        return Settings()  # pyright: ignore[reportCallIssue]  # from the environment
    except ValidationError as error:
        problems = [_problem(each["loc"], each["msg"], each["type"]) for each in error.errors()]
        raise ConfigurationError("; ".join(problems)) from None


def _problem(location: tuple[int | str, ...], message: str, kind: str) -> str:
    """Name the variable; never its value, which may hold a password."""
    name = f"{PREFIX}{'.'.join(str(part) for part in location[:1])}".upper()
    if kind == "missing":
        return f"{name} is not set"
    return f"{name}: {message.removeprefix('Value error, ')}"
