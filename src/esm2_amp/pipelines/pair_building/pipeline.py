"""Wiring of `pair_building`."""

from kedro.pipeline import Node, Pipeline

from esm2_amp.pipelines.pair_building.nodes import clean_pair_files, split_pairs


def create_pipeline() -> Pipeline:
    """Raw pairs → clean pairs → pairs as row numbers, with their split."""
    return Pipeline(
        [
            Node(
                clean_pair_files,
                inputs=[
                    "pairs_raw",
                    "validation_pairs_raw",
                    "test_pairs_raw",
                    "protein_features",
                    "params:pair_building",
                ],
                outputs=["pairs", "pairs_report"],
                name="clean_pairs",
            ),
            Node(
                split_pairs,
                inputs=["pairs", "protein_features", "params:pair_building"],
                outputs=["model_pairs", "split_report"],
                name="split_pairs",
            ),
        ],
        tags="pair_building",
    )
