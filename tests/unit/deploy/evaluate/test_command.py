"""The evaluation's command: what is wrong with a run is told in one clear line."""

import pickle
from pathlib import Path

import pytest

from deploy.errors import DeployError
from deploy.evaluate.command import run_evaluation
from deploy.evaluate.options import Options
from firmware_sim.errors import ScenarioError


def test_a_scenario_that_does_not_exist_is_named_from_every_process(tmp_path: Path) -> None:
    """The seeds run in processes of their own; what one of them says arrives whole."""
    options = Options(
        scenario="nope", sites=1, days=1, seeds=(1, 2), without=(), jobs=2, step_s=60, out=tmp_path
    )
    with pytest.raises(DeployError, match="scenario = 'nope': unknown; there is evaluation"):
        run_evaluation(options, as_json=False)


def test_an_error_of_a_scenario_crosses_between_processes() -> None:
    """Key, value and bound are those that it was raised with."""
    error = ScenarioError(key="site[0].name", value=7, bound="a text")
    copy = pickle.loads(pickle.dumps(error))
    assert isinstance(copy, ScenarioError)
    assert (copy.key, copy.value, copy.bound, str(copy)) == (
        "site[0].name",
        7,
        "a text",
        str(error),
    )
