"""Wiring of `pair_evaluation`: features of the pairs' proteins by `feature_extraction`, then scores and measures."""

from kedro.pipeline import Node, Pipeline

from esm2_amp.pipelines import feature_extraction
from esm2_amp.pipelines.pair_evaluation.nodes import (
    clean_labelled_pairs,
    draw_evaluation,
    measure_model,
    report_evaluation,
)

_MEASURED = ["scored_pairs", "model_comparison", "model_strata", "metrics"]


def create_pipeline() -> Pipeline:
    """Proteins, labelled pairs and a model → scored pairs, metrics with intervals, strata, figures and a report."""
    measuring = [
        Node(
            clean_labelled_pairs,
            inputs=["pairs_raw", "proteins", "dropped_proteins"],
            outputs=["pairs", "pairs_report", "paired_proteins"],
            name="clean_pairs",
        ),
        Node(
            measure_model,
            inputs=["pairs", "protein_features", "model", "params:evaluation", "params:run"],
            outputs=_MEASURED,
            name="measure_model",
        ),
        Node(
            draw_evaluation,
            inputs=[*_MEASURED, "params:run"],
            outputs="plots",
            name="draw_evaluation",
        ),
        Node(
            report_evaluation,
            inputs=[*_MEASURED, "params:run"],
            outputs="report",
            name="report_evaluation",
        ),
    ]
    return Pipeline(
        [*feature_extraction.create_pipeline("paired_proteins").nodes, *measuring],
        namespace="pair_evaluation",
        tags="pair_evaluation",
        inputs={"encoder", "stored_features", "published_features"},
        parameters={name: name for name in ("params:feature_extraction", "params:evaluation", "params:run")},
    )
