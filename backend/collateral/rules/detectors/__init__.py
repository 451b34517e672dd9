"""Every detector that stands on its own, in the order in which their findings are listed."""

from typing import Final

from backend.collateral.rules.detector import Detector
from backend.collateral.rules.detectors import away, clone, garbled, knock, replay, stuck

DETECTORS: Final[tuple[Detector, ...]] = (
    replay.DETECTOR,
    garbled.DETECTOR,
    stuck.DETECTOR,
    knock.DETECTOR,
    clone.DETECTOR,
    away.DETECTOR,
)
