"""Arguments of the evaluation: every form that is taken, and what is said of the others."""

import pytest

from deploy.evaluate.options import (
    OptionError,
    check_range,
    parse_only,
    parse_seeds,
    parse_without,
)


@pytest.mark.parametrize(
    ("text", "seeds"), [("7", (7,)), ("1..4", (1, 2, 3, 4)), ("1,4,9", (1, 4, 9))]
)
def test_seeds_are_one_a_range_or_a_list(text: str, seeds: tuple[int, ...]) -> None:
    """Each documented form gives its seeds, in its order."""
    assert parse_seeds(text) == seeds


@pytest.mark.parametrize("text", ["", "x", "4..1", "1..", "1,1", "-3", "1..99999999"])
def test_other_seeds_are_refused_by_name_value_and_bound(text: str) -> None:
    """The message says what was given and what may be."""
    with pytest.raises(OptionError, match=rf"SEEDS is '{text}', must be seeds from 0 to"):
        parse_seeds(text)


def test_a_kind_of_sensor_must_exist() -> None:
    """What there is no kind of can not be left out."""
    assert parse_without("rfid, scale") == ("rfid", "scale")
    assert parse_without("") == ()
    with pytest.raises(OptionError, match="WITHOUT is 'lidar', must be one of rfid, scale"):
        parse_without("lidar")


def test_a_case_is_named_by_seed_site_and_label() -> None:
    """The form is that of the list of misses."""
    assert parse_only("3:eval-01:eval-01-pilfer-001") == (3, "eval-01", "eval-01-pilfer-001")
    assert parse_only("") is None
    with pytest.raises(OptionError, match="ONLY is 'pilfer', must be SEED:SITE:LABEL"):
        parse_only("pilfer")


def test_a_number_out_of_bounds_is_refused() -> None:
    """The message names both ends."""
    assert check_range("DAYS", 30, 400) == 30
    with pytest.raises(OptionError, match="DAYS is 0, must be from 1 to 400"):
        check_range("DAYS", 0, 400)
