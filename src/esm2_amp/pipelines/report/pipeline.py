"""Wiring of `report`."""

from typing import Final

from kedro.pipeline import Node, Pipeline

from esm2_amp.explanation.attention import MODELS_WITH_ATTENTION
from esm2_amp.explanation.methods import METHODS
from esm2_amp.models.registry import MODELS
from esm2_amp.pipelines.per_model import for_every_model
from esm2_amp.pipelines.report import explanations, regions
from esm2_amp.pipelines.report.nodes import write_report
from esm2_amp.pipelines.report.results import summarise_comparison, summarise_predictions
from esm2_amp.pipelines.report.run import describe_model, summarise_run

_FOUND: Final = (
    *explanations.TABLES,
    *explanations.PICTURES,
    *(f"{method}_{kind}" for method in METHODS for kind in ("tokens", "plot")),
)
_REGIONS: Final = (*regions.TABLES, *regions.PICTURES)

OPTIONAL: Final = frozenset(
    [
        "predicted_pairs",
        *_REGIONS,
        *(f"{model}.{name}" for model in MODELS_WITH_ATTENTION for name in ("explained_pairs", *_FOUND)),
    ]
)
"""What the report shows where it is there; where it isn't, the nodes get None."""


def create_pipeline() -> Pipeline:
    """What all other pipelines found out → one page."""
    described = for_every_model(
        [Node(describe_model, inputs="model", outputs="description", name="describe_model")],
        inputs=(),
        parameters=(),
        tags="report",
    )
    return described + _explanations() + Pipeline(_chapters(), tags="report")


def _explanations() -> Pipeline:
    node = Node(
        explanations.summarise_explanation,
        inputs={
            "explained": "explained_pairs",
            "scored": "scored_pairs",
            "metrics": "metrics",
            "description": "description",
            **{name: name for name in _FOUND},
        },
        outputs="report_explanation",
        name="summarise_explanation",
    )
    return for_every_model([node], inputs=(), parameters=(), tags="report", models=MODELS_WITH_ATTENTION)


def _chapters() -> list[Node]:
    scored = [f"{model}.scored_pairs" for model in MODELS]
    return [
        Node(
            summarise_run,
            inputs=["params:run", "params:evaluation", "proteins_report", "pairs_report", "leakage_audit",
                    *(f"{model}.description" for model in MODELS)],
            outputs="report_run",
            name="summarise_run",
        ),
        Node(
            summarise_comparison,
            inputs=["model_comparison", "model_differences", "model_strata", "baseline_scores", *scored],
            outputs="report_comparison",
            name="summarise_comparison",
        ),
        Node(
            summarise_predictions,
            inputs=["model_comparison", "predicted_pairs", *scored],
            outputs="report_predictions",
            name="summarise_predictions",
        ),
        Node(
            regions.summarise_regions,
            inputs={"parameters": "params:functional_regions", "scored": scored[0],
                    **{name: name for name in _REGIONS}},
            outputs=["report_regions", "report_maps"],
            name="summarise_regions",
        ),
        Node(
            write_report,
            inputs=["params:run", "report_comparison", "report_run", "report_predictions",
                    *(f"{model}.report_explanation" for model in MODELS_WITH_ATTENTION), "report_regions",
                    "report_maps"],
            outputs="report",
            name="write_report",
        ),
    ]  # fmt: skip
