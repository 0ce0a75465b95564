"""Wiring of `interpretability`: every method explains the same pairs of a model, then they are put to the test."""

from typing import Final

from kedro.pipeline import Node, Pipeline

from esm2_amp.explanation.attention import MODELS_WITH_ATTENTION, READINGS
from esm2_amp.pipelines.interpretability.latent_pipeline import create_latent_pipeline
from esm2_amp.pipelines.interpretability.nodes import (
    draw_attention,
    draw_gradients,
    explain_by_attention,
    explain_by_gradients,
    select_explained_pairs,
)
from esm2_amp.pipelines.interpretability.trust import (
    check_planted_truth,
    compare_methods,
    measure_faithfulness,
    randomise_weights,
)
from esm2_amp.pipelines.per_model import for_every_model

METHODS_OF_PAIRS: Final = (*READINGS, "integrated_gradients", "forest_shap", "network_shap", "network_gradients")
"""Methods with values of single pairs, `<method>_importance`: compared, tested and held against planted truth."""

METHODS_OF_TOKENS: Final = ("gini",)
"""Methods with one value for each token, `<method>_tokens`: compared only."""

METHOD_TAGS: Final = ("attention", "integrated_gradients", "forest_shap", "network_shap", "network_gradients")
"""Tags that run one method alone, from the choice of the pairs to the figures."""

_SHARED: Final = {"model_pairs", "protein_features", "planted_sites"}
_PARAMETERS: Final = {"params:interpretability", "params:evaluation", "params:run"}
_TITLE: Final = {"model": "model", "parameters": "params:interpretability", "run": "params:run"}
_CONTEXT: Final = _TITLE | {"explained": "explained_pairs", "pairs": "model_pairs", "features": "protein_features"}
_IMPORTANCES: Final = {method: f"{method}_importance" for method in METHODS_OF_PAIRS}
_TOKENS: Final = {method: f"{method}_tokens" for method in METHODS_OF_TOKENS}

IMPORTANCES: Final = tuple(f"{model}.{table}" for model in MODELS_WITH_ATTENTION for table in _IMPORTANCES.values())
"""The importance tables of all explained models."""


def create_pipeline() -> Pipeline:
    """Trained models → importance of each token by each method, and how far to trust it."""
    steps = [*_selection(), *_methods(), *_trust()]
    on_tokens = for_every_model(
        steps, inputs=_SHARED, parameters=_PARAMETERS, tags="interpretability", models=MODELS_WITH_ATTENTION
    )
    return on_tokens + create_latent_pipeline()


def _selection() -> list[Node]:
    return [
        Node(
            select_explained_pairs,
            inputs=["model_pairs", "protein_features", "model", "params:interpretability", "params:evaluation",
                    "params:run"],
            outputs="explained_pairs",
            name="select_explained_pairs",
            tags=METHOD_TAGS,
        ),
    ]  # fmt: skip


def _methods() -> list[Node]:
    return [
        Node(
            explain_by_attention,
            inputs=["explained_pairs", "protein_features", "model", "params:interpretability", "params:run"],
            outputs=["attention_weights", *(f"{reading}_importance" for reading in READINGS)],
            name="explain_by_attention",
            tags="attention",
        ),
        Node(
            draw_attention,
            inputs=["attention_weights", *(f"{reading}_importance" for reading in READINGS), "model",
                    "params:interpretability", "params:run"],
            outputs=["attention_maps", *(f"{reading}_{kind}" for reading in READINGS for kind in ("tokens", "plot"))],
            name="draw_attention",
            tags="attention",
        ),
        Node(
            explain_by_gradients,
            inputs=["explained_pairs", "model_pairs", "protein_features", "model", "params:interpretability",
                    "params:run"],
            outputs=["integrated_gradients_attributions", "integrated_gradients_importance",
                     "integrated_gradients_contributions", "integrated_gradients_check"],
            name="explain_by_gradients",
            tags="integrated_gradients",
        ),
        Node(
            draw_gradients,
            inputs=["integrated_gradients_importance", "integrated_gradients_contributions", "model",
                    "params:interpretability", "params:run"],
            outputs=["integrated_gradients_tokens", "integrated_gradients_plot", "integrated_gradients_pairs"],
            name="draw_gradients",
            tags="integrated_gradients",
        ),
    ]  # fmt: skip


def _trust() -> list[Node]:
    return [
        Node(
            compare_methods,
            inputs=_TITLE | _IMPORTANCES | _TOKENS,
            outputs=["agreement", "agreement_plot"],
            name="compare_methods",
            tags="agreement",
        ),
        Node(
            measure_faithfulness,
            inputs=_CONTEXT | _IMPORTANCES,
            outputs=["faithfulness", "faithfulness_curves", "faithfulness_plot"],
            name="measure_faithfulness",
            tags="faithfulness",
        ),
        Node(
            randomise_weights,
            inputs=_CONTEXT,
            outputs=["randomised_weights", "randomised_weights_plot"],
            name="randomise_weights",
            tags="randomised_weights",
        ),
        Node(
            check_planted_truth,
            inputs=_TITLE | {"sites": "planted_sites"} | _IMPORTANCES,
            outputs=["planted_truth", "planted_truth_plot"],
            name="check_planted_truth",
            tags="planted_truth",
        ),
    ]
