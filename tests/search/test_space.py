from pathlib import Path

import optuna
import pytest
from kedro.config import OmegaConfigLoader
from pydantic import ValidationError

from esm2_amp.errors import InputError
from esm2_amp.models.registry import MODELS
from esm2_amp.parameters.hyperparameter_search import SearchSpace
from esm2_amp.parameters.model_training import ModelParameters, with_values
from esm2_amp.pipelines.hyperparameter_search.nodes import check_space
from esm2_amp.settings import CONFIG_LOADER_ARGS

SPACE = {
    "learning_rate": {"low": 1e-5, "high": 1e-3, "log": True},
    "h1": {"low": 480, "high": 640, "step": 160},
}
SETTINGS = ModelParameters.model_validate(
    {
        "network": {"architecture": "ESM2_MEAN", "h1": 8, "h2": 4},
        "training": {"learning_rate": 1e-3, "weight_decay": 0.0, "epochs": 1},
    }
)


def test_every_end_of_every_range_is_drawn_and_nothing_else():
    space, study = SearchSpace.model_validate(SPACE), optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    drawn = [space.suggest(study.ask()) for _ in range(60)]
    assert {values["h1"] for values in drawn} == {480, 640}
    rates = sorted(values["learning_rate"] for values in drawn)
    assert rates[0] >= 1e-5 and rates[-1] <= 1e-3
    assert 5e-5 < rates[30] < 2e-4  # the middle on the logarithm, not 5e-4


@pytest.mark.parametrize(
    ("space", "words"),
    [
        ({}, "must name at least one parameter"),
        ({"h1": {"low": 640, "high": 480, "step": 160}}, "low <= high must hold, got low 640, high 480"),
        ({"learning_rate": {"low": 1e-3, "high": 1e-5}}, "low < high must hold"),
        ({"learning_rate": {"low": 0.0, "high": 1e-5, "log": True}}, "0 < low where log"),
        ({"h1": {"low": 480, "high": 640, "step": 0}}, "greater than or equal to 1"),
        ({"learning_rate": {"low": 1e-5, "high": 1e-3, "steps": 2}}, "Extra inputs are not permitted"),
    ],
)
def test_wrong_spaces_are_refused(space, words):
    with pytest.raises(ValidationError, match=words):
        SearchSpace.model_validate(space)


def test_values_go_where_their_names_belong():
    changed = with_values(SETTINGS, {"learning_rate": 0.5, "h2": 16})
    assert (changed.training.learning_rate, changed.network.h2, changed.network.h1) == (0.5, 16, 8)
    with pytest.raises(ValidationError, match="h9"):
        with_values(SETTINGS, {"h9": 1})


def test_published_spaces_stand_in_the_configuration():
    """METHOD section 4, the table of search spaces."""
    loader = OmegaConfigLoader(str(Path(__file__).parents[2] / "conf"), env="esm2_650m", **CONFIG_LOADER_ARGS)
    parameters = loader["parameters"]
    spaces = {model: parameters[model]["search_space"] for model in MODELS}
    assert spaces["ESM2_AMPS"] == {
        "learning_rate": {"low": 1e-5, "high": 1e-3, "log": True},
        "weight_decay": {"low": 1e-4, "high": 1e-2, "log": True},
        "h1": {"low": 480, "high": 640, "step": 160},
        "h2": {"low": 80, "high": 320, "step": 80},
    }
    assert spaces["ESM2_AMP_CSE"] == spaces["ESM2_AMPS"] | {"weight_decay": {"low": 1e-4, "high": 1e-1, "log": True}}
    assert spaces["ESM2_DPM"] == {
        "learning_rate": {"low": 1e-6, "high": 1e-5, "log": True},
        "weight_decay": {"low": 1e-3, "high": 1e-1, "log": True},
        "h1": {"low": 960, "high": 1280, "step": 320},
        "h2": {"low": 320, "high": 640, "step": 160},
        "h3": {"low": 40, "high": 160, "step": 60},
    }


def test_number_of_members_is_no_part_of_a_search():
    space = SearchSpace.model_validate({"members": {"low": 1, "high": 5}})
    with pytest.raises(InputError, match=r"got members, .*; set training\.members, which applies to the fit with the"):
        check_space(space, SETTINGS)
