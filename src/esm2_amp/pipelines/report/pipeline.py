"""Wiring of `report`."""

from typing import Final

from kedro.pipeline import Node, Pipeline

from esm2_amp.parameters.model_training import ARCHITECTURES, EXPLAINED
from esm2_amp.pipelines.groups import in_group
from esm2_amp.pipelines.per_model import for_every_model
from esm2_amp.pipelines.report.nodes import (
    summarise_comparison,
    summarise_explanation,
    summarise_new_pairs,
    summarise_predictions,
    summarise_regions,
    summarise_run,
    summarise_uncertainty,
    write_report,
)

_OF_REGIONS: Final = (
    *(
        "region_summary",
        "region_enrichment",
        "regions_report",
        "segment_coverage",
        "region_method",
        "chosen_importance",
    ),
    *("enrichment_plots", "donut_plots", "coverage_plots", "pair_maps"),
)
_SCORED: Final = [f"{model}.scored_pairs" for model in ARCHITECTURES]
_EXPLANATIONS: Final = [f"{model}.report_explanation" for model in EXPLAINED]


def create_pipeline() -> Pipeline:
    """What all other pipelines found out → one page."""
    return _explanations() + in_group("report", Pipeline(_chapters(), tags="report"))


def _explanations() -> Pipeline:
    node = Node(
        summarise_explanation,
        inputs=["params:settings", "explained_pairs", "scored_pairs", "explanation_part"],
        outputs="report_explanation",
        name="summarise_explanation",
    )
    return for_every_model([node], inputs=(), parameters=(), group="report", tags="report", models=EXPLAINED)


def _chapters() -> list[Node]:
    return [
        Node(
            summarise_run,
            inputs=["data_part", "models_part", "training_part"],
            outputs="report_run",
            name="summarise_run",
        ),
        Node(
            summarise_comparison,
            inputs=["model_comparison", "model_differences", "model_strata", "baseline_scores", *_SCORED],
            outputs="report_comparison",
            name="summarise_comparison",
        ),
        Node(
            summarise_uncertainty,
            inputs=["risk_coverage", "surest_half", "ensemble_members"],
            outputs="report_uncertainty",
            name="summarise_uncertainty",
        ),
        Node(
            summarise_predictions,
            inputs=["model_comparison", "model_differences", "proteins", *_SCORED],
            outputs="report_predictions",
            name="summarise_predictions",
        ),
        Node(
            summarise_new_pairs,
            inputs=["predicted_pairs", "prediction.summary", "prediction.proteins"],
            outputs="report_new_pairs",
            name="summarise_new_pairs",
        ),
        Node(
            summarise_regions,
            inputs={
                "parameters": "params:functional_regions",
                "scored": _SCORED[0],
                **{name: name for name in _OF_REGIONS},
            },
            outputs=["report_regions", "report_maps"],
            name="summarise_regions",
        ),
        Node(
            write_report,
            inputs=["params:run", "report_comparison", "report_uncertainty", "report_run", "report_predictions",
                    *_EXPLANATIONS, "report_regions", "report_maps", "report_new_pairs"],
            outputs="report",
            name="write_report",
        ),
    ]  # fmt: skip
