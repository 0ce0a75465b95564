"""Wiring of `evaluation`: each model in its namespace and the baselines, then all of them together."""

from kedro.pipeline import Node, Pipeline

from esm2_amp.parameters.model_training import ARCHITECTURES
from esm2_amp.pipelines.evaluation.nodes import (
    compare_models,
    describe_models,
    evaluate_model,
    measure_sureness,
    plot_comparison,
    score_baselines,
)
from esm2_amp.pipelines.groups import in_group, report_part
from esm2_amp.pipelines.per_model import for_every_model


def create_pipeline() -> Pipeline:
    """Trained models → scored pairs, metrics and figures of each, and their comparison with the baselines."""
    each = for_every_model(
        [
            Node(
                evaluate_model,
                inputs=["model_pairs", "protein_features", "model", "params:evaluation", "params:run"],
                outputs=["scored_pairs", "metrics", "evaluation_plots", "description"],
                name="evaluate_model",
            ),
        ],
        inputs={"model_pairs", "protein_features"},
        parameters={"params:evaluation", "params:run"},
        group="evaluation",
        tags="evaluation",
    )
    shown = [f"{model}.{part}" for part in ("description", "evaluation_plots") for model in ARCHITECTURES]
    description = Node(
        describe_models,
        inputs=["params:run", "params:evaluation", *shown],
        outputs="models_part",
        name="describe_models",
    )
    return each + in_group("evaluation", _comparison()) + report_part("evaluation", description, tags="evaluation")


def _comparison() -> Pipeline:
    scored, metrics = ([f"{model}.{table}" for model in ARCHITECTURES] for table in ("scored_pairs", "metrics"))
    tables = ["model_comparison", "model_differences", "model_strata"]
    return Pipeline(
        [
            Node(
                score_baselines,
                inputs=["model_pairs", "protein_features", "proteins", "params:evaluation", "params:run"],
                outputs=["baseline_scores", "baseline_metrics"],
                name="score_baselines",
            ),
            Node(
                compare_models,
                inputs=["params:evaluation", "params:run", "baseline_scores", "baseline_metrics", *scored, *metrics],
                outputs=tables,
                name="compare_models",
            ),
            Node(
                measure_sureness,
                inputs=["params:evaluation", "params:run", *scored],
                outputs=["risk_coverage", "surest_half", "ensemble_members"],
                name="measure_sureness",
            ),
            Node(
                plot_comparison,
                inputs=["params:run", *tables, "risk_coverage", "baseline_scores", *scored],
                outputs="comparison_plots",
                name="plot_comparison",
            ),
        ],
        tags="evaluation",
    )
