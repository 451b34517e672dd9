"""The registry of sensor families: what a configuration or a command line may name.

A new family is one decoder module and one line here; see docs/adding-a-sensor.md.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from gateway.decode import (
    chafon,
    frigate,
    gpsd,
    llrp,
    nmea,
    onvif,
    scale_ad,
    scale_ohaus,
    scale_sics,
    scale_tfo,
    scale_tscale,
    ubx,
    yr903,
    yrm100,
)
from gateway.decode.events import DecoderFactory


class UnknownFamilyError(ValueError):
    """A family that the registry does not hold; says which it holds."""

    def __init__(self, name: str) -> None:
        super().__init__(f"family: {name!r} is not one of {', '.join(FAMILIES)}")
        self.name = name


# Positional on purpose: the registry below has one line a family.
@dataclass(frozen=True, slots=True)
class Family:
    """A sensor family: ``make`` gives a fresh decoder for one port."""

    name: str
    make: DecoderFactory
    summary: str
    source: str


def family(name: str) -> Family:
    """Return the family called ``name``.

    Raises:
        UnknownFamilyError: There is none.
    """
    if (found := FAMILIES.get(name)) is None:
        raise UnknownFamilyError(name)
    return found


_ALL: Final = (
    Family("nmea", nmea.NmeaDecoder, "GNSS: RMC GGA GNS GLL GSA GST ZDA", "NMEA 0183 4.11"),
    Family("ubx", ubx.UbxDecoder, "u-blox: UBX frames beside NMEA", "UBX-13003221, -22008968"),
    Family("gpsd", gpsd.GpsdDecoder, "gpsd: TPV and SKY as JSON lines", "gpsd_json(5) 3.25"),
    Family("scale-ad", scale_ad.make, "A&D: ST,GS,+0012.34kg", "A&D AD-4329A OP-02"),
    Family("scale-tscale", scale_tscale.make, "T-Scale: ST,GS    20.7g", "captures"),
    Family("scale-ohaus", scale_ohaus.make_ohaus, "Ohaus; Mettler continuous", "T32, IND560"),
    Family("scale-sics", scale_sics.make, "Mettler-Toledo: S S  100.00 g", "MT-SICS manual"),
    Family("scale-spun", scale_ohaus.make_spun, "SPUN:  20.0 kg   ?G", "captures"),
    Family("scale-tfo", scale_tfo.make, "TFO1: labelled fields, in kg", "captures"),
    Family("rfid-yrm100", yrm100.make, "Serial UHF RFID: BB..7E", "MagicRF M100"),
    Family("rfid-yr903", yr903.make, "Serial UHF RFID: A0, length ..", "its protocol V3.7"),
    Family("rfid-chafon", chafon.make, "Chafon UHFReader18 and 288", "UR series manual 1.14"),
    Family("llrp", llrp.LlrpDecoder, "Network RFID readers, their TCP stream", "LLRP 1.0.1, 1.1"),
    Family("frigate", frigate.make, "Frigate, JSON of topic and payload", "Frigate 0.16 MQTT"),
    Family("onvif-mqtt", onvif.make, "ONVIF, JSON of topic and payload", "ONVIF Core 22.12"),
)

FAMILIES: Final[Mapping[str, Family]] = MappingProxyType({f.name: f for f in _ALL})
