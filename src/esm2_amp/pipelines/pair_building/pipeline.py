"""Wiring of `pair_building`."""

from kedro.pipeline import Node, Pipeline

from esm2_amp.pipelines.pair_building.nodes import (
    audit_split,
    clean_pair_files,
    compare_sequences,
    describe_data,
    draw_audit,
    split_pairs,
)


def create_pipeline() -> Pipeline:
    """Raw pairs → clean pairs → pairs as row numbers, with their split and an audit of its leakage."""
    return Pipeline(
        [
            # The names of this step and the next put them before extract_features, which is in the same group: their
            # errors come before hours of work.
            Node(
                compare_sequences,
                inputs=["proteins", "params:pair_building"],
                outputs="similar_proteins",
                name="compare_sequences",
            ),
            Node(
                clean_pair_files,
                inputs=[
                    "pairs_raw",
                    "validation_pairs_raw",
                    "test_pairs_raw",
                    "proteins",
                    "dropped_proteins",
                    "params:pair_building",
                ],
                outputs=["pairs", "pairs_report"],
                name="clean_pairs",
            ),
            Node(
                split_pairs,
                inputs=[
                    "pairs",
                    "protein_features",
                    "proteins",
                    "similar_proteins",
                    "params:pair_building",
                    "params:run",
                ],
                outputs=["model_pairs", "split_report"],
                name="split_pairs",
            ),
            Node(
                audit_split,
                inputs=[
                    "model_pairs",
                    "split_report",
                    "protein_features",
                    "similar_proteins",
                    "params:pair_building",
                ],
                outputs=["leakage_audit", "protein_degrees"],
                name="audit_split",
            ),
            Node(
                draw_audit,
                inputs=["leakage_audit", "protein_degrees", "params:run"],
                outputs="leakage_plot",
                name="draw_audit",
            ),
            Node(
                describe_data,
                inputs=["proteins_report", "pairs_report", "leakage_audit", "leakage_plot"],
                outputs="data_part",
                name="describe_data",
            ),
        ],
        tags="pair_building",
    )
