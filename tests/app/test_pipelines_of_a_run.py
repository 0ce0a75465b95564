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
    assert list(registered) == list(PIPELINES)


@pytest.mark.parametrize("name", SUMS)
def test_sum_is_what_it_stands_for(name, registered):
    parts = pipelines_for([name], search=False, latents=False, regions=True)
    assert {node for part in parts for node in registered[part].nodes} == set(registered[name].nodes)


@pytest.mark.parametrize(
    ("name", "given", "expected"),
    [
        ("__default__", "regions", "training results"),
        ("__default__", "", "training evaluation interpretability report"),
        ("__default__", "search regions", "feature_extraction pair_building hyperparameter_search refit results"),
        (
            "__default__",
            "latents regions",
            "training evaluation interpretability latent_explanation functional_regions report",
        ),
        ("training", "search", "feature_extraction pair_building hyperparameter_search refit"),
        ("model_training", "search regions", "hyperparameter_search refit"),
        ("model_training", "regions", "model_training"),
        ("interpretability", "latents regions", "interpretability latent_explanation"),
        ("results", "search", "evaluation interpretability report"),
        ("results", "latents", "evaluation interpretability latent_explanation report"),
        ("prediction", "search latents", "prediction"),
    ],
)
def test_pipelines_that_a_name_stands_for(name, given, expected):
    choices = {choice: choice in given for choice in ("search", "latents", "regions")}
    assert pipelines_for([name], **choices) == expected.split()


def test_every_group_that_a_node_reads_has_a_type_that_checks_it(registered):
    typed = TypeExtractor(registered).extract_types_from_pipelines()
    read = {name for pipeline in registered.values() for name in pipeline.inputs() if name.startswith("params:")}
    assert {name.removeprefix("params:") for name in read} == set(typed)
