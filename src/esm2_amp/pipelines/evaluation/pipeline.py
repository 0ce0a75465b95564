"""Wiring of `evaluation`: each model in its namespace, then all of them together."""

from kedro.pipeline import Node, Pipeline

from esm2_amp.models.registry import MODELS
from esm2_amp.pipelines.evaluation.comparison import compare_models
from esm2_amp.pipelines.evaluation.nodes import measure_model, plot_model, score_model_pairs


def create_pipeline() -> Pipeline:
    """Trained models → scored pairs, metrics and plots of each, and their comparison."""
    template = Pipeline(
        [
            Node(
                score_model_pairs,
                inputs=["model_pairs", "protein_features", "model", "params:evaluation", "params:run"],
                outputs="scored_pairs",
                name="score_pairs",
            ),
            Node(
                measure_model,
                inputs=["scored_pairs", "params:evaluation"],
                outputs="metrics",
                name="measure_model",
            ),
            Node(
                plot_model,
                inputs=["scored_pairs", "model", "params:evaluation", "params:run"],
                outputs=[
                    "summary_plot",
                    "roc_plot",
                    "precision_recall_plot",
                    "confusion_plot",
                    "calibration_plot",
                ],
                name="plot_model",
            ),
        ]
    )
    each = [
        Pipeline(
            template,
            namespace=model,
            inputs={"model_pairs", "protein_features"},
            parameters={"params:evaluation": "params:evaluation", "params:run": "params:run"},
        )
        for model in MODELS
    ]
    comparison = Node(
        compare_models,
        inputs=["params:run", *(f"{model}.{table}" for table in ("metrics", "scored_pairs") for model in MODELS)],
        outputs=["model_comparison", "model_comparison_plot", "model_curves_plot"],
        name="compare_models",
    )
    return Pipeline([*each, comparison], tags="evaluation")
