"""Every detector that stands on its own, in the order in which their findings are listed."""

from typing import Final

from backend.collateral.rules.detector import Detector

DETECTORS: Final[tuple[Detector, ...]] = ()
