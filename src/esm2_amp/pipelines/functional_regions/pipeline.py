"""Wiring of `functional_regions`."""

from collections.abc import Iterable

from kedro.pipeline import Node, Pipeline

from esm2_amp.pipelines.functional_regions.charts import draw_groups, draw_pairs
from esm2_amp.pipelines.functional_regions.nodes import (
    choose_importance,
    measure_coverage,
    measure_enrichment,
    place_annotations,
    select_segments,
    write_workbook,
)


def create_pipeline(importances: Iterable[str] = ()) -> Pipeline:
    """Importances or ranked segments, and annotations → coverage, hit rates, tests and charts.

    Parameters
    ----------
    importances : iterable of str
        Importance tables that the same run makes, such as `ESM2_AMPS.attention_importance`; the proteins are then the
        run's, too. Without any, both are read from files, or left out where a user's files take their place.
    """
    steps = Pipeline(_nodes(), tags="functional_regions")
    if not importances:
        return steps
    tables = {name.removesuffix("_importance"): name for name in importances}
    choose = Node(
        choose_importance,
        inputs={"parameters": "params:functional_regions", **tables},
        outputs="chosen_importance",
        name="choose_importance",
        tags="functional_regions",
    )
    renamed = {"segment_importance": "chosen_importance", "known_proteins": "proteins"}
    return Pipeline([choose]) + Pipeline(
        steps,
        inputs={**renamed, **{name: name for name in steps.inputs() - set(renamed) if not name.startswith("params:")}},
        outputs={name: name for name in steps.outputs()},
        parameters={"params:functional_regions": "params:functional_regions"},
    )


def _nodes() -> list[Node]:
    parameters, annotated = "params:functional_regions", ["regions", "region_proteins", "regions_report"]
    return [
        Node(
            select_segments,
            inputs=["segment_importance", "top_segments", "low_segments", parameters],
            outputs="ranked_segments",
            name="select_segments",
        ),
        Node(
            place_annotations,
            inputs=["region_file", "ranked_segments", "known_proteins", "given_proteins", parameters],
            outputs=["region_segments", *annotated, "region_problems"],
            name="place_annotations",
        ),
        Node(
            measure_coverage,
            inputs=["region_segments", *annotated, parameters],
            outputs=["segment_coverage", "hit_rates"],
            name="measure_coverage",
        ),
        Node(
            measure_enrichment,
            inputs=["region_segments", *annotated, parameters],
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
            inputs=["region_segments", *annotated, "region_enrichment", parameters],
            outputs=["donut_plots", "coverage_plots", "enrichment_plots"],
            name="draw_groups",
        ),
        Node(
            draw_pairs,
            inputs=["region_segments", *annotated, "segment_importance", parameters],
            outputs="pair_maps",
            name="draw_pairs",
        ),
    ]
