"""What a run consists of, and that the checks know every group that its nodes read."""

import pytest
from kedro.framework.startup import bootstrap_project
from kedro.validation import TypeExtractor

from conftest import ROOT
from esm2_amp.pipeline_registry import PIPELINES, SUMS, pipelines_for, register_pipelines

bootstrap_project(ROOT)


@pytest.fixture(scope="module")
def registered():
    return register_pipelines()


def test_names_are_those_of_the_registered_pipelines(registered):
    assert tuple(registered) == PIPELINES


@pytest.mark.parametrize("name", SUMS)
def test_sum_is_what_it_stands_for(name, registered):
    parts = pipelines_for([name], search=False, regions=True)
    assert {node for part in parts for node in registered[part].nodes} == set(registered[name].nodes)


@pytest.mark.parametrize(
    ("name", "search", "regions", "expected"),
    [
        ("__default__", False, True, "training results"),
        ("__default__", False, False, "training evaluation interpretability report"),
        (
            "__default__",
            True,
            True,
            "feature_extraction pair_building hyperparameter_search refit results",
        ),
        ("training", True, False, "feature_extraction pair_building hyperparameter_search refit"),
        ("model_training", True, True, "hyperparameter_search refit"),
        ("model_training", False, True, "model_training"),
        ("results", True, False, "evaluation interpretability report"),
        ("prediction", True, False, "prediction"),
    ],
)
def test_pipelines_that_a_name_stands_for(name, search, regions, expected):
    assert pipelines_for([name], search=search, regions=regions) == expected.split()


def test_every_group_that_a_node_reads_has_a_type_that_checks_it(registered):
    typed = TypeExtractor(registered).extract_types_from_pipelines()
    read = {name for pipeline in registered.values() for name in pipeline.inputs() if name.startswith("params:")}
    assert {name.removeprefix("params:") for name in read} == set(typed)
