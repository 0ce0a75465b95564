"""Wiring of `model_training`: the same node for every model of the registry, each in its namespace."""

from kedro.pipeline import Node, Pipeline

from esm2_amp.models.registry import MODELS
from esm2_amp.pipelines.model_training.nodes import train_model


def create_pipeline() -> Pipeline:
    """Features and pairs → one trained model per namespace."""
    template = Pipeline(
        [
            Node(
                train_model,
                inputs=["model_pairs", "protein_features", "checkpoints", "params:settings", "params:run"],
                outputs=["model", "training_record", "training_plot"],
                name="train_model",
            )
        ],
        tags="model_training",
    )
    return sum(
        (
            Pipeline(
                template,
                namespace=model,
                inputs={"model_pairs", "protein_features"},
                parameters={"params:run": "params:run"},
            )
            for model in MODELS
        ),
        Pipeline([]),
    )
