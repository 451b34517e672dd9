"""What can go wrong on a gateway, one class for each party that must act on it."""


class GatewayError(Exception):
    """Base of every error of the gateway; the message is fit for an installer's eyes."""


class ConfigError(GatewayError):
    """The configuration is wrong; names the key, the value and the bound."""

    def __init__(self, key: str, value: object, bound: str) -> None:
        self.key = key
        self.value = value
        self.bound = bound
        super().__init__(f"{key} is {_short(value)}, must be {bound}")


class DeviceError(GatewayError):
    """A device, port or bus does not answer as it should: somebody on the site must look."""


class UntrustedError(GatewayError):
    """A message did not come from whom it claims; it is counted and ignored."""


class UnavailableError(GatewayError):
    """Something outside is not there now; trying again later is right."""


class StateError(GatewayError):
    """The state folder cannot be used as it is: an operator must act."""


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
