"""docs/scenarios.md: what it shows works, what can be written is in it, mistakes are named."""

import dataclasses
import re
from pathlib import Path

import pytest

from firmware_sim.errors import ScenarioError
from firmware_sim.months.incidents import KINDS
from firmware_sim.months.script import SENSOR_KINDS, site_runs
from firmware_sim.noise import NoiseProfile
from firmware_sim.scenario import TAG_KINDS, parse_scenario, scenario_names

DOCS = Path("docs/scenarios.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"^```toml\n(.*?)^```", DOCS, re.DOTALL | re.MULTILINE)
CODE = set(re.findall(r"`([^`]+)`", DOCS))
SHIPPED = [
    Path(f"firmware_sim/scenarios/{name}.toml").read_text(encoding="utf-8")
    for name in scenario_names()
]
LINES = [
    (number, line.group())
    for number, text in enumerate(EXAMPLES)
    for line in re.finditer(r"^(\w+) = (.*)$", text, re.MULTILINE)
]
"""Each setting of the examples, with the example's number; a key occurs more than once."""
FIRST = list({(number, line.split(" = ")[0]): (number, line) for number, line in LINES}.values())


def with_line(number: int, line: str, value: str) -> bytes:
    """Return an example in which the first such line has another value."""
    key = line.split(" = ")[0]
    pattern = rf"^{re.escape(line)}$"
    found = re.sub(pattern, f"{key} = {value}", EXAMPLES[number], count=1, flags=re.MULTILINE)
    return found.encode()


@pytest.mark.parametrize("number", range(len(EXAMPLES)))
def test_the_examples_are_whole_files(number: int, tmp_path: Path) -> None:
    """Both examples make runs in which something happens."""
    path = tmp_path / "example.toml"
    path.write_text(EXAMPLES[number], encoding="utf-8")
    runs = site_runs(str(path), seed=2, sites=3, days=10)

    assert len(runs) == 3
    for run in runs:
        assert run.labels
        assert run.orders
        assert run.outages


def test_there_is_an_example_of_a_site_and_one_of_a_family() -> None:
    """A site by hand, and sites from ranges."""
    assert [parse_scenario(text.encode()).is_family for text in EXAMPLES] == [False, True]


@pytest.mark.parametrize("text", [*EXAMPLES, *SHIPPED])
def test_every_key_that_a_table_knows_is_documented(text: str) -> None:
    """The keys that an error lists as known are all on the page."""
    for header in {None, *re.findall(r"^\[+.*?\]+$", text, re.MULTILINE)}:
        wrong = f"zzz = 1\n{text}" if header is None else text.replace(header, f"{header}\nzzz=1")
        with pytest.raises(ScenarioError, match=r"zzz.*unknown k") as caught:
            parse_scenario(wrong.encode())
        known = caught.value.bound.split(": ")[1].split(", ")
        tables = {f"[[{key}]]" for key in known} | {f"[{key}]" for key in known}
        for key in known:
            documented = key in CODE or {f"[{key}]", f"[[{key}]]"} & CODE
            nested = any(each.endswith((f".{key}]", f".{key}]]")) for each in CODE)
            assert documented or nested, (header, key, tables)


def test_every_kind_of_incident_tag_sensor_and_figure_is_documented() -> None:
    """Kinds of incidents, tags and sensors, and every figure of the noise, are on the page."""
    figures = {field.name for field in dataclasses.fields(NoiseProfile)} - {"tag_betas"}

    assert set(KINDS) <= CODE
    assert set(TAG_KINDS) <= CODE
    assert set(SENSOR_KINDS) <= CODE
    assert figures <= CODE


@pytest.mark.parametrize(("number", "line"), FIRST)
def test_a_value_of_the_wrong_kind_is_named(number: int, line: str) -> None:
    """An error names the key that holds something else than it may."""
    key = line.split(" = ")[0]
    with pytest.raises(ScenarioError, match=rf"{key}\b.* = .*: (must|unknown)"):
        parse_scenario(with_line(number, line, "{ bad = true }"))


@pytest.mark.parametrize(
    ("number", "line"), [(n, line) for n, line in FIRST if re.fullmatch(r"\w+ = -?[\d._]+", line)]
)
def test_a_number_out_of_bounds_is_named_with_them(number: int, line: str) -> None:
    """An error names the key, the value and the bound."""
    key = line.split(" = ")[0]
    with pytest.raises(ScenarioError, match=rf"{key} = 1e\+20: must be within \S+ to \S+"):
        parse_scenario(with_line(number, line, "1e20"))


@pytest.mark.parametrize(
    ("number", "old", "new", "message"),
    [
        (0, 'time = "09:40"', 'time = "9.40"', r"movement\[0\]\.time = '9.40': must be a time"),
        (0, 'time = "09:40"', 'time = "24:00"', "must be a time"),
        (0, "begins = 2026-06-01", 'begins = "June"', "begins = 'June': must be a date"),
        (0, "begins = 2026-06-01", "begins = 2026-06-01T00:00:00", "must be a date"),
        (0, "ends_h = 18.5", "ends_h = 6", r"shift\.ends_h = 6.0: must be later than begins_h, 7"),
        (0, "fair = 0.2,", "fair = 0.3,", r"noise\.tag_shares = .*must add up to 1"),
        (0, "fair = 0.2,", "fine = 0.2,", r"noise\.tag_shares\.fine = 0.2: unknown key; known"),
        (0, "[1001000, ", "[", r"lot\[0\]\.nets_g = 7: must hold 8 numbers, one for each item"),
        (0, 'kind = "tag_dies"', 'kind = "rust"', r"incident\[2\]\.kind = 'rust': must be one of"),
        (0, 'kind = "tag_dies"', 'kind = "drop"\nitems = ["A"]\ncount = 2', "absent beside items"),
        (0, "stay_min = 45", "stay_min = 45\nwindow_min = 50", r"window_min = 50: must be within"),
        (0, 'to = "ramp"', 'to = "roof"', r"movement\[0\]\.to = 'roof': must be one of"),
        (0, 'sensor = "load-butter"', 'sensor = "load-jam"', "sensor = 'load-jam': must be one"),
        (0, "temperature_min_c = -2.0", "temperature_min_c = 7", "must be below temperature_max"),
        (
            0,
            "cross_read = 0.03",
            "cross_read = 3",
            r"cross_read = 3: must be within 0 to 1",
        ),
        (0, "cross_read = 0.03", "creep_tau_s = 0", r"creep_tau_s = 0: must be within 0.001 to"),
        (0, "unit = 4", "unit = 3", "unit on Modbus TCP = '3': occurs twice"),
        (1, "take_pallet = 6", "take_palette = 6", "per_month.take_palette = .*unknown kind"),
        (
            1,
            "items = [5, 25]",
            "items = [25, 5]",
            r"items = \[25.0, 5.0\]: must be \[",
        ),
        (1, "items = [5, 25]", "items = [5, 25, 30]", "must be .least, most. or one number"),
        (1, "items = [5, 25]", "items = 5.5", r"items = \[5.5, 5.5\]: must be whole numbers"),
        (1, "lots = [1, 3]", "lots = [1, 39]", "generate.goods.lots = 41: a site may have at"),
        (1, "lots = [1, 3]", "lots = [0, 3]", "lots = 0: must be at least 1 in one entry"),
        (1, 'name = "boxes"', 'name = "ingots"', "goods.name = 'ingots': occurs twice"),
        (1, 'name = "boxes"', 'name = "very-long-name-of-goods"', "at most 20 characters"),
        (1, 'place = "yard"', 'place = "sea"', "place = 'sea': must be one of: cold, hall, yard"),
        (1, 'site = "yard"', 'site = "yard"\ndock = "d"', "dock = 'd': must be absent: .generate"),
        (
            1,
            "roof_share = 0.5",
            "temperature_max_c = 5",
            "temperature_max_c = 5.0: must lie",
        ),
        (
            1,
            'site = "yard"',
            'site = "yard-with-a-name-too-long"',
            "too-long': must be at most 20",
        ),
    ],
)
def test_mistakes_are_named(number: int, old: str, new: str, message: str) -> None:
    """An error says which key holds which value and what it may be."""
    assert old in EXAMPLES[number]
    with pytest.raises(ScenarioError, match=message):
        parse_scenario(EXAMPLES[number].replace(old, new, 1).encode())


def test_a_family_without_goods_is_refused() -> None:
    """There must be something to draw."""
    bare = re.sub(r"\[\[generate.goods\]\].*?\n\n", "", EXAMPLES[1], flags=re.DOTALL)
    with pytest.raises(ScenarioError, match=r"generate\.goods = \[\]: must hold one entry"):
        parse_scenario(bare.encode())
