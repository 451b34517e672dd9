"""A new configuration touches the drivers whose section changed, and no other."""

import pytest

from gateway.clock import SystemClock
from gateway.config.file import Config, parse_config
from gateway.drivers.plan.device import DriverParts, DriverPlan
from gateway.drivers.plan.every import plan_drivers
from gateway.drivers.plan.vocabulary import vocabulary
from gateway.errors import ConfigError
from gateway.supervisor.changes import check_same_gateway, compare_plans, fix_sections
from tests.unit.gateway.builders import make_random

SCALE = '[[serial]]\nsensor = "{}"\nfamily = "scale-ad"\nport = "/dev/{}"\n'


def make_config(*scales: str, gateway: str = "gw-test", more: str = "") -> Config:
    """Return the configuration of a gateway with some scales."""
    text = f'[gateway]\nid = "{gateway}"\nstate_dir = "var"\n{more}\n'
    return parse_config((text + "".join(scales)).encode(), vocabulary())


def plans_of(config: Config) -> dict[str, DriverPlan]:
    """Return the plans of ``config`` by name."""
    parts = DriverParts(clock=SystemClock(), random=make_random())
    return {plan.name: plan for plan in plan_drivers(config, parts)}


def test_unchanged_sections_are_left_alone() -> None:
    """Another order, and an equal section, restart nothing."""
    one, two = SCALE.format("one", "a"), SCALE.format("two", "b")
    changes = compare_plans(
        plans_of(make_config(one, two)), plans_of(make_config(two, one)).values()
    )
    assert (list(changes.stop), list(changes.start)) == ([], [])


def test_each_change_is_found() -> None:
    """Added, changed and removed sections are told apart by their names."""
    before = make_config(*(SCALE.format(name, name) for name in ("same", "moved", "gone")))
    after = make_config(
        SCALE.format("same", "same"), SCALE.format("moved", "elsewhere"), SCALE.format("new", "n")
    )
    changes = compare_plans(plans_of(before), plans_of(after).values())

    assert changes.added == ["new"]
    assert changes.restarted == ["moved"]
    assert changes.removed == ["gone"]


def test_another_gateway_s_configuration_is_refused() -> None:
    """A running gateway cannot become another: key and stream are its own."""
    with pytest.raises(ConfigError, match=r"gateway\.id is 'gw-other', must be 'gw-test'"):
        check_same_gateway(make_config(), make_config(gateway="gw-other"))


def test_what_only_a_restart_changes_stays_in_force_and_is_named() -> None:
    """The old values go on, and are named again on the next reload."""
    before = make_config()
    after = make_config(
        more="[outbox]\nbytes_max = 2000000\n[seal]\nage_s = 1.0\n[uplink]\nwindow = 8"
    )
    in_force, waiting = fix_sections(before, after)

    assert waiting == ["seal.age_s", "outbox.bytes_max"]
    assert in_force.outbox == before.outbox
    assert in_force.uplink == after.uplink
    assert fix_sections(in_force, after)[1] == waiting
