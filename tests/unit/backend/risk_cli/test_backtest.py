"""``python -m backend backtest``: its table, its page and its exit codes."""

from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from backend.__main__ import cli


@pytest.fixture
def calm(tmp_path: Path) -> Path:
    """A file of prices with a negative day, an empty cell and a gap."""
    dice = np.random.default_rng(7)
    prices = [f"{each:.4f}" for each in 50 * np.exp(np.cumsum(0.01 * dice.standard_normal(900)))]
    prices[500], prices[600] = "-36.98", ""
    days = [date(2020, 1, 1) + timedelta(days=at) for at in range(len(prices))]
    lines = [f"{day},{price}" for day, price in zip(days, prices, strict=True)]
    file = tmp_path / "prices.csv"
    file.write_text("Date,Price\n" + "\n".join(lines) + "\n", encoding="utf-8")
    return file


def run(*words: str) -> tuple[int, str]:
    """Return exit code and everything said."""
    result = CliRunner().invoke(cli, ["backtest", *words])
    return result.exit_code, result.output


def test_a_green_model_ends_with_0_and_says_how_windows_were_chosen(calm: Path) -> None:
    """The whole table: light, tests, haircut, losses; what was left out is told."""
    code, said = run("--prices", str(calm), "--horizon", "10")

    assert code == 0, said
    for word in (
        "GREEN",
        "Kupiec POF",
        "Christoffersen independence",
        "average haircut",
        "loss given liquidation",
        "windows do not overlap",
        "1 lines without a price left out; 1 prices of zero or below",
    ):
        assert word in said
    assert "nan" not in said


def test_the_page_holds_all_models_and_its_own_drawings(calm: Path, tmp_path: Path) -> None:
    """One file, no script, nothing fetched from elsewhere."""
    _, said = run("--prices", str(calm), "--horizon", "5", "--compare", "--out", str(tmp_path))
    page = (tmp_path / "backtest.html").read_text(encoding="utf-8")

    assert "report:" in said
    assert page.count("<svg") == page.count("</svg>") == 9
    assert "historical-99-500d/1" in page
    assert "<script" not in page
    assert "http" not in page


def test_a_model_that_is_exceeded_too_often_ends_with_another_code(tmp_path: Path) -> None:
    """Prices that fall in steps no normal model expects: yellow is 4, red is 5."""
    days = [date(2020, 1, 1) + timedelta(days=at) for at in range(600)]
    price, lines = 1e6, ["Date,Price"]
    for at, day in enumerate(days):
        price *= 0.9 if at % 9 == 8 else 1.001
        lines.append(f"{day},{price:.6f}")
    file = tmp_path / "steps.csv"
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")

    code, said = run("--prices", str(file), "--model", "normal-99", "--horizon", "1")

    assert code == 5, said
    assert "RED" in said


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["--model", "magic"], "model is 'magic', must be one of t4-99"),
        (["--horizon", "0"], "horizon is 0, must be from 1 to 500"),
        (["--horizon", "200"], "must be at least 6060"),
    ],
)
def test_a_wrong_argument_is_refused_with_its_bound(
    calm: Path, words: list[str], why: str
) -> None:
    """Field, value and bound in one sentence; exit code 2."""
    code, said = run("--prices", str(calm), *words)

    assert code == 2
    assert why in said


def test_a_file_that_is_not_understood_names_its_line(tmp_path: Path) -> None:
    """The market's own reader: what it refuses is refused here."""
    file = tmp_path / "x.csv"
    file.write_text("Date,Price\n2020-01-01,1\n2020-01-02,n/a\n", encoding="utf-8")

    code, said = run("--prices", str(file))

    assert code == 2
    assert "line 3: Price" in said
