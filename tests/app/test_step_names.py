"""Names of steps and groups, as a user may give them."""

import pytest
from kedro.framework.startup import bootstrap_project

from conftest import ROOT
from esm2_amp.app.step_names import full_names, full_namespaces, short_name
from esm2_amp.errors import InputError
from esm2_amp.models.registry import MODELS
from esm2_amp.pipeline_registry import pipelines_for, register_pipelines

bootstrap_project(ROOT)


@pytest.fixture(scope="module")
def registered():
    return register_pipelines()


@pytest.fixture(scope="module")
def default(registered):
    return registered["__default__"]


PARTS = {
    "model_training.ESM2_AMPS": ["model_training.report_part.describe_training"],
    "evaluation.ESM2_GRU": ["results.evaluation.report_part.describe_models"],
}
"""Steps that show models in the report: they run with any of those, and so show what is there."""
PARTS["ESM2_AMPS"] = [step for steps in PARTS.values() for step in steps]


def names_of(nodes):
    return sorted(node.name for node in nodes)


@pytest.mark.parametrize(
    "name", ["ESM2_AMPS", "evaluation", "evaluation.ESM2_GRU", "model_training", "results", "features_and_pairs"]
)
def test_a_name_stands_for_the_namespaces_that_hold_it(name, default):
    chosen = default.filter(node_namespaces=full_namespaces([name], default.nodes))
    expected = [node for node in default.nodes if f".{name}." in f".{node.namespace}."]
    assert names_of(chosen.nodes) == sorted([*names_of(expected), *PARTS.get(name, [])])
    assert expected


def test_names_that_overlap_choose_each_step_once(default):
    given = ["ESM2_AMPS", "evaluation", "results.evaluation.ESM2_AMPS"]
    chosen = default.filter(node_namespaces=full_namespaces(given, default.nodes))
    inside = [node for node in default.nodes if {"ESM2_AMPS", "evaluation"} & set(node.namespace.split("."))]
    assert names_of(chosen.nodes) == sorted([*names_of(inside), *PARTS["model_training.ESM2_AMPS"]])


def test_a_part_of_a_name_is_refused_with_a_suggestion(default):
    with pytest.raises(InputError, match=r"^--namespaces must be one of ESM2_AMPS, .*results, got 'AMPS' \(did you"):
        full_namespaces(["ESM2_AMPS", "AMPS"], default.nodes)


def test_without_the_option_nothing_is_chosen(default):
    assert full_namespaces(None, default.nodes) is None
    assert full_names(None, default.nodes) is None


def test_steps_are_shown_by_names_that_can_be_given(registered):
    for search in (False, True):
        names = pipelines_for(["__default__"], search=search, latents=True, regions=True)
        nodes = {node for name in names for node in registered[name].nodes}
        for node in nodes:
            assert full_names([short_name(node)], nodes) == [node.name]


def test_a_step_of_every_model_is_given_by_its_name_alone(default):
    assert full_names(["train_model"], default.nodes) == [f"model_training.{model}.train_model" for model in MODELS]
    assert full_names(["evaluation.ESM2_GRU.evaluate_model", "no_step"], default.nodes) == [
        "results.evaluation.ESM2_GRU.evaluate_model", "no_step",
    ]  # fmt: skip


@pytest.mark.parametrize("search", [False, True])
@pytest.mark.parametrize("latents", [False, True])
def test_pairs_are_checked_before_proteins_are_embedded_and_no_group_is_interrupted(
    registered, search, latents, recwarn
):
    names = pipelines_for(["__default__"], search=search, latents=latents, regions=True)
    order = [short_name(node) for node in sum(registered[name] for name in names).nodes]
    assert not [str(warning.message) for warning in recwarn if "interrupted" in str(warning.message)]
    for step in ("clean_proteins", "clean_pairs", "compare_sequences"):
        assert order.index(step) < order.index("extract_features")
