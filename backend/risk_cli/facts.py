"""What is told of a backtest, on the terminal and on the page alike."""

from collections.abc import Sequence

from backend.valuation.rules.backtest import Backtest


def facts(result: Backtest) -> Sequence[tuple[str, str]]:
    """Return what is told of a result, in order."""
    lost = result.losses_given_liquidation
    counts = result.counts
    rate = result.exceedances / len(result.windows)
    return [
        ("model", result.model.value),
        ("traffic light", result.light.value.upper()),
        ("windows", str(len(result.windows))),
        ("worthless when begun, left out", str(result.worthless_starts)),
        ("exceeded", f"{result.exceedances} ({rate:.2%})"),
        ("exceeded, if begun on other days", f"{min(result.phases)} to {max(result.phases)}"),
        ("green, if begun on other days", f"{result.green_phases} of {len(result.phases)}"),
        ("Kupiec POF", f"{result.coverage.ratio:.3f}, p {result.coverage.p_value:.3f}"),
        (
            "Christoffersen independence",
            f"{result.independence.ratio:.3f}, p {result.independence.p_value:.3f}",
        ),
        ("  n00 n01 n10 n11", f"{counts.n00} {counts.n01} {counts.n10} {counts.n11}"),
        ("conditional coverage", f"{result.both.ratio:.3f}, p {result.both.p_value:.3f}"),
        ("average haircut", f"{result.average_haircut:.2%}"),
        ("loss given liquidation, mean", f"{sum(lost) / len(lost):.2%}" if lost else "none"),
        ("loss given liquidation, worst", f"{max(lost):.2%}" if lost else "none"),
    ]
