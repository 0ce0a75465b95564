"""Wiring of `planted_data`."""

from kedro.pipeline import Node, Pipeline

from esm2_amp.pipelines.planted_data.nodes import generate_planted_data


def create_pipeline() -> Pipeline:
    """Parameters → the files of the synthetic interactome."""
    return Pipeline(
        [
            Node(
                generate_planted_data,
                inputs="params:planted_data",
                outputs=[
                    "planted_proteins",
                    "planted_train_pairs",
                    "planted_validation_pairs",
                    "planted_test_pairs",
                    "planted_motifs",
                    "planted_sites",
                    "planted_regions",
                ],
                name="generate_planted_data",
            )
        ],
        tags="planted_data",
    )
