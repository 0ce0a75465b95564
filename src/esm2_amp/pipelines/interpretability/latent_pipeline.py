"""Wiring of the explanation on latents: the same nodes for each explained model, each in its namespace."""

from kedro.pipeline import Node, Pipeline

from esm2_amp.pipelines.interpretability.latent_nodes import (
    explain_by_deep_shap,
    explain_by_gradients,
    explain_by_tree_shap,
    train_autoencoder,
    train_forest,
    train_latent_network,
)
from esm2_amp.pipelines.per_model import for_every_model

EXPLAINED_MODELS = ("ESM2_AMPS", "ESM2_AMP_CSE")
"""Models whose tokens are those of the two published feature sets, `segment` and `cls_segment_eos`."""

_PARAMETERS = ["params:settings", "params:latent_explanation"]
_FOREST_METHODS, _NETWORK_METHODS = ["gini", "forest_shap"], ["network_shap", "network_gradients"]


def create_latent_pipeline() -> Pipeline:
    """Features, pairs and explained pairs → latents, two classifiers of them, and four explanations.

    Each node bears the tags of all methods that need it, so that `--tags=forest_shap` makes what Tree SHAP takes.
    """
    return for_every_model(
        [_autoencoder(), *_forest(), *_network()],
        inputs={"model_pairs", "protein_features"},
        parameters={"params:latent_explanation", "params:run"},
        tags="interpretability",
        models=EXPLAINED_MODELS,
    )


def _autoencoder() -> Node:
    return Node(
        train_autoencoder,
        inputs=["model_pairs", "protein_features", "autoencoder_checkpoints", *_PARAMETERS, "params:run"],
        outputs=["autoencoder", "latents", "autoencoder_record", "reconstruction", "autoencoder_plot"],
        name="train_autoencoder",
        tags=["autoencoder", *_FOREST_METHODS, *_NETWORK_METHODS],
    )


def _forest() -> list[Node]:
    return [
        Node(
            train_forest,
            inputs=["model_pairs", "latents", "forest_studies", *_PARAMETERS, "params:run"],
            outputs=["forest", "forest_parameters", "forest_trials", "forest_metrics", "gini_tokens", "gini_plot"],
            name="train_forest",
            tags=_FOREST_METHODS,
        ),
        Node(
            explain_by_tree_shap,
            inputs=["forest", "model_pairs", "latents", "explained_pairs", *_PARAMETERS],
            outputs=[
                "forest_shap_values",
                "forest_shap_additivity",
                "forest_shap_importance",
                "forest_shap_tokens",
                "forest_shap_plot",
                "forest_shap_summary_plot",
            ],
            name="explain_by_tree_shap",
            tags="forest_shap",
        ),
    ]


def _network() -> list[Node]:
    inputs = ["latent_network", "model_pairs", "latents", "explained_pairs", *_PARAMETERS, "params:run"]
    return [
        Node(
            train_latent_network,
            inputs=["model_pairs", "latents", "network_checkpoints", *_PARAMETERS, "params:run"],
            outputs=["latent_network", "network_record", "network_metrics", "network_training_plot"],
            name="train_latent_network",
            tags=_NETWORK_METHODS,
        ),
        Node(
            explain_by_deep_shap,
            inputs=inputs,
            outputs=[
                "network_shap_values",
                "network_shap_additivity",
                "network_shap_importance",
                "network_shap_tokens",
                "network_shap_plot",
                "network_shap_summary_plot",
            ],
            name="explain_by_deep_shap",
            tags="network_shap",
        ),
        Node(
            explain_by_gradients,
            inputs=inputs,
            outputs=[
                "network_gradients_values",
                "network_gradients_additivity",
                "network_gradients_importance",
                "network_gradients_tokens",
                "network_gradients_plot",
                "network_gradients_summary_plot",
            ],
            name="explain_by_gradients",
            tags="network_gradients",
        ),
    ]
