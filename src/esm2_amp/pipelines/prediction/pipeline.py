"""Wiring of `prediction`: the features of new proteins by `feature_extraction`, then scores of their pairs."""

from kedro.pipeline import Node, Pipeline

from esm2_amp.pipelines import feature_extraction
from esm2_amp.pipelines.prediction.nodes import check_pair_file, match_pairs, score_pair_file


def create_pipeline() -> Pipeline:
    """New proteins and pairs, and a model → a row with probability and decision for every pair."""
    nodes = [
        *feature_extraction.create_pipeline("paired_proteins").nodes,
        Node(
            check_pair_file,
            inputs=["pairs_raw", "proteins", "params:prediction"],
            outputs="pairs",
            name="check_pairs",
        ),
        Node(
            match_pairs,
            inputs=["pairs", "proteins", "dropped_proteins"],
            outputs=["names", "pairs_report", "paired_proteins"],
            name="match_pairs",
        ),
        Node(
            score_pair_file,
            inputs=["pairs", "names", "protein_features", "model", "state", "params:evaluation", "params:run"],
            outputs=["predicted_pairs", "summary"],
            name="score_pairs",
        ),
    ]
    return Pipeline(
        nodes,
        namespace="prediction",
        tags="prediction",
        inputs={"encoder", "stored_features", "published_features"},
        outputs={"predicted_pairs"},
        parameters={
            f"params:{group}": f"params:{group}" for group in ("feature_extraction", "prediction", "evaluation", "run")
        },
    )
