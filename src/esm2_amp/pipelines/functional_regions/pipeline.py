"""Wiring of `functional_regions`."""

from typing import Final

from kedro.pipeline import Node, Pipeline

from esm2_amp.parameters.model_training import EXPLAINED
from esm2_amp.pipelines.functional_regions.nodes import (
    draw_groups,
    draw_pairs,
    measure_coverage,
    measure_enrichment,
    place_annotations,
    select_segments,
    write_workbook,
)
from esm2_amp.pipelines.groups import in_group

_EXPLAINED: Final = ("explanations", "latent_explanations", "planted_truth", "faithfulness")
_EXPLANATIONS: Final = [f"{model}.{table}" for table in _EXPLAINED for model in EXPLAINED]
_ANNOTATED: Final = ["region_segments", "regions", "region_proteins", "regions_report"]


def create_pipeline() -> Pipeline:
    """Explanations or ranked segments, and annotations → coverage, hit rates, tests and charts."""
    nodes = [*_placed_segments(), *annotated_nodes("region_parameters")]
    return in_group("functional_regions", Pipeline(nodes, tags="functional_regions"))


def _placed_segments() -> list[Node]:
    return [
        Node(
            select_segments,
            inputs=["top_segments", "low_segments", "params:functional_regions", *_EXPLANATIONS],
            outputs=["ranked_segments", "chosen_importance", "region_parameters", "region_method"],
            name="select_segments",
        ),
        Node(
            place_annotations,
            inputs=["region_file", "ranked_segments", "known_proteins", "given_proteins", "region_parameters"],
            outputs=[*_ANNOTATED, "region_problems"],
            name="place_annotations",
        ),
    ]


def annotated_nodes(parameters: str) -> list[Node]:
    """Ranked segments and placed annotations → coverage, hit rates, tests and charts.

    Parameters
    ----------
    parameters : str
        The dataset of the `RegionParameters`.
    """
    return [
        Node(
            measure_coverage,
            inputs=[*_ANNOTATED, parameters],
            outputs=["segment_coverage", "hit_rates"],
            name="measure_coverage",
        ),
        Node(
            measure_enrichment,
            inputs=[*_ANNOTATED, parameters, "params:run"],
            outputs=["region_enrichment", "region_summary"],
            name="measure_enrichment",
        ),
        Node(
            write_workbook,
            inputs=[
                "hit_rates",
                "region_enrichment",
                "region_summary",
                "segment_coverage",
                "region_proteins",
                "region_problems",
            ],
            outputs="regions_workbook",
            name="write_workbook",
        ),
        Node(
            draw_groups,
            inputs=[*_ANNOTATED, "region_enrichment", parameters],
            outputs=["donut_plots", "coverage_plots", "enrichment_plots"],
            name="draw_groups",
        ),
        Node(
            draw_pairs,
            inputs=[*_ANNOTATED, "chosen_importance", parameters],
            outputs="pair_maps",
            name="draw_pairs",
        ),
    ]
