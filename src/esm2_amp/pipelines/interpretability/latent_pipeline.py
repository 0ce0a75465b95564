"""Wiring of the explanation on latents: the same nodes for each explained model, each in its namespace."""

from typing import Final

from kedro.pipeline import Node, Pipeline

from esm2_amp.explanation.attention import MODELS_WITH_ATTENTION
from esm2_amp.pipelines.interpretability.latent_methods import (
    explain_by_deep_shap,
    explain_by_latent_gradients,
    explain_by_tree_shap,
    gather_latents,
)
from esm2_amp.pipelines.interpretability.latent_nodes import train_autoencoder, train_forest, train_latent_network
from esm2_amp.pipelines.per_model import for_every_model

_SHARED: Final = {"model_pairs", "protein_features"}
_PARAMETERS: Final = {"params:interpretability", "params:latent_explanation", "params:run"}
_TRAINING: Final = ["params:settings", "params:latent_explanation", "params:run"]
_EXPLAINED: Final = ["explained_pairs", "explained_latents", "background_latents", "model", "params:interpretability"]


def create_latent_pipeline() -> Pipeline:
    """Features, pairs and explained pairs → latents, two classifiers of them, and four explanations.

    Each node bears the tags of all methods that need it: `--tags=forest_shap` makes all that Tree SHAP takes.
    """
    return for_every_model(
        [*_latents(), *_forest(), *_network()],
        inputs=_SHARED,
        parameters=_PARAMETERS,
        tags="interpretability",
        models=MODELS_WITH_ATTENTION,
    )


def _latents() -> list[Node]:
    return [
        Node(
            train_autoencoder,
            inputs=["model_pairs", "protein_features", "autoencoder_checkpoints", *_TRAINING],
            outputs=["autoencoder", "latents", "autoencoder_record", "reconstruction", "autoencoder_plot"],
            name="train_autoencoder",
            tags=["autoencoder", "gini", "forest_shap", "network_shap", "network_gradients"],
        ),
        Node(
            gather_latents,
            inputs=["explained_pairs", "model_pairs", "latents", "params:latent_explanation"],
            outputs=["explained_latents", "background_latents"],
            name="gather_latents",
            tags=["forest_shap", "network_shap", "network_gradients"],
        ),
    ]


def _forest() -> list[Node]:
    return [
        Node(
            train_forest,
            inputs=["model_pairs", "latents", "forest_studies", *_TRAINING],
            outputs=["forest", "forest_parameters", "forest_trials", "forest_metrics", "gini_tokens", "gini_plot"],
            name="train_forest",
            tags=["gini", "forest_shap"],
        ),
        Node(
            explain_by_tree_shap,
            inputs=["forest", "forest_metrics", *_EXPLAINED, "params:run"],
            outputs=["forest_shap_values", "forest_shap_check", "forest_shap_importance", "forest_shap_tokens",
                     "forest_shap_plot", "forest_shap_summary_plot"],
            name="explain_by_tree_shap",
            tags="forest_shap",
        ),
    ]  # fmt: skip


def _network() -> list[Node]:
    return [
        Node(
            train_latent_network,
            inputs=["model_pairs", "latents", "network_checkpoints", *_TRAINING],
            outputs=["latent_network", "network_record", "network_metrics", "network_training_plot"],
            name="train_latent_network",
            tags=["network_shap", "network_gradients"],
        ),
        Node(
            explain_by_deep_shap,
            inputs=["latent_network", *_EXPLAINED, "params:run"],
            outputs=["network_shap_values", "network_shap_check", "network_shap_importance", "network_shap_tokens",
                     "network_shap_plot", "network_shap_summary_plot"],
            name="explain_by_deep_shap",
            tags="network_shap",
        ),
        Node(
            explain_by_latent_gradients,
            inputs=["latent_network", *_EXPLAINED, "params:latent_explanation", "params:run"],
            outputs=["network_gradients_values", "network_gradients_check", "network_gradients_importance",
                     "network_gradients_tokens", "network_gradients_plot", "network_gradients_summary_plot"],
            name="explain_by_latent_gradients",
            tags="network_gradients",
        ),
    ]  # fmt: skip
