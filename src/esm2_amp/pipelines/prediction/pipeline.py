"""Wiring of `prediction`: the features of new proteins by `feature_extraction`, then scores of their pairs."""

from kedro.pipeline import Node, Pipeline

from esm2_amp.pipelines import feature_extraction
from esm2_amp.pipelines.prediction.nodes import clean_new_pairs, describe_model, score_new_pairs


def create_pipeline() -> Pipeline:
    """New proteins and pairs, and a model → a row with probability and decision for every pair."""
    scoring = [
        Node(
            score_new_pairs,
            inputs=["pairs", "protein_features", "model", "params:evaluation", "params:run"],
            outputs="predicted_pairs",
            name="score_pairs",
        ),
        Node(describe_model, inputs="model", outputs="summary", name="describe_model"),
    ]
    return Pipeline(
        [*new_pairs_nodes(), *scoring],
        namespace="prediction",
        tags="prediction",
        inputs={"encoder", "stored_features", "published_features"},
        outputs={"predicted_pairs"},
        parameters={
            f"params:{group}": f"params:{group}" for group in ("feature_extraction", "prediction", "evaluation", "run")
        },
    )


def new_pairs_nodes() -> list[Node]:
    """A user's proteins and pairs, checked, and the features of the proteins in pairs."""
    return [
        *feature_extraction.create_pipeline("paired_proteins").nodes,
        Node(
            clean_new_pairs,
            inputs=["pairs_raw", "proteins", "dropped_proteins", "params:prediction"],
            outputs=["pairs", "pairs_report", "paired_proteins"],
            name="clean_pairs",
        ),
    ]
