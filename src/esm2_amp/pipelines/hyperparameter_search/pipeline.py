"""Wiring of `hyperparameter_search`: the same node for every model of the registry, each in its namespace."""

from kedro.pipeline import Node, Pipeline

from esm2_amp.pipelines.hyperparameter_search.nodes import search_hyperparameters
from esm2_amp.pipelines.per_model import for_every_model


def create_pipeline() -> Pipeline:
    """Features and pairs → the best parameters and every trial, one study per model."""
    return for_every_model(
        [
            Node(
                search_hyperparameters,
                inputs=[
                    "model_pairs",
                    "protein_features",
                    "studies",
                    "params:settings",
                    "params:search_space",
                    "params:search",
                    "params:run",
                ],
                outputs=[
                    "best_parameters",
                    "trials",
                    "trials_excel",
                    "trial_epochs",
                    "search_plots",
                ],
                name="search_hyperparameters",
            )
        ],
        inputs={"model_pairs", "protein_features"},
        parameters={"params:search", "params:run"},
        group="hyperparameter_search",
        tags="hyperparameter_search",
    )
