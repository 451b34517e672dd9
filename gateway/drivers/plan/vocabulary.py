"""The names that a configuration may use: what there are decoders for."""

from gateway.config.types import Vocabulary
from gateway.decode.families import FAMILIES
from gateway.decode.modbus import RegisterType, WordOrder


def vocabulary() -> Vocabulary:
    """Return the names that a configuration may use."""
    return Vocabulary(
        families=tuple(FAMILIES),
        register_types=tuple(t.value for t in RegisterType if t is not RegisterType.STRING),
        orders=tuple(order.value for order in WordOrder),
    )
