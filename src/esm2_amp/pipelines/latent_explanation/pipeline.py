"""Wiring of `latent_explanation`: the same nodes for each explained model, each in its namespace."""

from typing import Final

from kedro.pipeline import Node, Pipeline

from esm2_amp.parameters.model_training import EXPLAINED
from esm2_amp.pipelines.latent_explanation.nodes import (
    describe_latents,
    draw_latent_training,
    explain_latents,
    gather_latents,
    train_autoencoder,
    train_forest,
    train_latent_network,
)
from esm2_amp.pipelines.per_model import for_every_model

_SHARED: Final = {"model_pairs", "protein_features"}
_PARAMETERS: Final = {"params:interpretability", "params:latent_explanation", "params:run"}
_TRAINING: Final = ["params:settings", "params:latent_explanation", "params:run"]


def create_pipeline() -> Pipeline:
    """Features, pairs and explained pairs → latents, two classifiers of them, and their explanations."""
    return for_every_model(
        [*_training(), *_explanation()],
        inputs=_SHARED,
        parameters=_PARAMETERS,
        group="interpretability",
        tags="latent_explanation",
        models=EXPLAINED,
    )


def _training() -> list[Node]:
    return [
        Node(
            train_autoencoder,
            inputs=["model_pairs", "protein_features", "autoencoder_checkpoints", *_TRAINING],
            outputs=["autoencoder", "latents", "autoencoder_record", "reconstruction"],
            name="train_autoencoder",
        ),
        Node(
            train_forest,
            inputs=["model_pairs", "latents", "forest_studies", *_TRAINING],
            outputs=["forest", "forest_parameters", "forest_trials", "forest_metrics"],
            name="train_forest",
        ),
        Node(
            train_latent_network,
            inputs=["model_pairs", "latents", "network_checkpoints", *_TRAINING],
            outputs=["latent_network", "network_record", "network_metrics"],
            name="train_latent_network",
        ),
        Node(
            draw_latent_training,
            inputs=["autoencoder_record", "reconstruction", "network_record", "latent_network", "params:settings",
                    "params:run"],
            outputs="latent_training_plots",
            name="draw_latent_training",
        ),
    ]  # fmt: skip


def _explanation() -> list[Node]:
    return [
        Node(
            gather_latents,
            inputs=["explained_pairs", "model_pairs", "latents", "params:interpretability", "params:run"],
            outputs="latent_pairs",
            name="gather_latents",
        ),
        Node(
            explain_latents,
            inputs=["explained_pairs", "latent_pairs", "forest", "forest_metrics", "latent_network", *_TRAINING],
            outputs=["latent_explanations", "latent_explanation_plots"],
            name="explain_latents",
        ),
        Node(
            describe_latents,
            inputs=["latent_explanations", "latent_explanation_plots", "forest_metrics", "network_metrics",
                    "latent_training_plots", "params:settings"],
            outputs="latent_part",
            name="describe_latents",
        ),
    ]  # fmt: skip
