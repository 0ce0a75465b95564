"""Wiring of `hyperparameter_search`: the same node for every model of the registry, each in its namespace."""

from kedro.pipeline import Node, Pipeline

from esm2_amp.models.registry import MODELS
from esm2_amp.pipelines.hyperparameter_search.nodes import search_hyperparameters


def create_pipeline() -> Pipeline:
    """Features and pairs → the best parameters and every trial, one study per model."""
    template = Pipeline(
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
                    "search_history_plot",
                    "search_importance_plot",
                    "search_slice_plot",
                ],
                name="search_hyperparameters",
            )
        ],
        tags="hyperparameter_search",
    )
    return Pipeline(
        [
            Pipeline(
                template,
                namespace=model,
                inputs={"model_pairs", "protein_features"},
                parameters={"params:search": "params:search", "params:run": "params:run"},
            )
            for model in MODELS
        ]
    )
