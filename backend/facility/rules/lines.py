"""Where coverage stands against the lines: down at once, up after several valuations. Pure."""

from typing import Final

from backend.facility.types import Lines, LineStanding, LineState
from backend.valuation.types import Valuation

_WORSE: Final = (LineState.ABOVE, LineState.WARNING, LineState.CALL, LineState.LIQUIDATION)


def line_of(coverage_bps: int | None, lines: Lines, margin_bps: int = 0) -> LineState:
    """Return the lowest line, raised by a margin, that a coverage is under; None is above all."""
    if coverage_bps is None:
        return LineState.ABOVE
    if coverage_bps < lines.liquidation_bps + margin_bps:
        return LineState.LIQUIDATION
    if coverage_bps < lines.call_bps + margin_bps:
        return LineState.CALL
    if coverage_bps < lines.warning_bps + margin_bps:
        return LineState.WARNING
    return LineState.ABOVE


def move_line(
    standing: LineStanding, lines: Lines, valuation: Valuation, *, is_observation: bool
) -> LineStanding:
    """Return where a facility stands after a valuation: down at once, up only after several.

    Up to the lowest line that any of them supports: two valuations a little better and one much
    better are three a little better. A valuation in which some lot has no value moves nothing: it
    locks by itself, and after an outage nobody should be liquidated on half the truth. It also
    begins the count anew.
    """
    if not valuation.complete:
        return LineStanding(state=standing.state, recovered_valuations=0)
    down = line_of(valuation.coverage_bps, lines)
    if _WORSE.index(down) > _WORSE.index(standing.state):
        return LineStanding(state=down, recovered_valuations=0)
    up = line_of(valuation.coverage_bps, lines, lines.recovery_margin_bps)
    if _WORSE.index(up) >= _WORSE.index(standing.state):
        return LineStanding(state=standing.state, recovered_valuations=0)
    recovered = standing.recovered_valuations + is_observation
    lowest = standing.recovering_to
    if lowest is None:
        lowest = up if is_observation else None
    else:
        lowest = max(lowest, up, key=_WORSE.index)
    if recovered < lines.recovery_valuations:
        return LineStanding(
            state=standing.state, recovered_valuations=recovered, recovering_to=lowest
        )
    return LineStanding(state=lowest or standing.state, recovered_valuations=0)
