"""Wiring of `model_release`."""

from kedro.pipeline import Node, Pipeline

from esm2_amp.pipelines.model_release.nodes import release_model


def create_pipeline() -> Pipeline:
    """A trained model and the comparison it is in → the model to give away, and its card."""
    return Pipeline(
        [
            Node(
                release_model,
                inputs=["release.model", "model_comparison", "params:model_release"],
                outputs=["released_model", "released_card"],
                name="release_model",
            )
        ],
        tags="model_release",
    )
