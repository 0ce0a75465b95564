"""Wiring of `explanation`: features of the pairs' proteins, scores, explanations, and regions where these are given."""

from typing import Final

from kedro.pipeline import Node, Pipeline

from esm2_amp.pipelines import feature_extraction
from esm2_amp.pipelines.explanation.nodes import (
    OF_RESIDUES,
    explain_given_pairs,
    explain_residues,
    mask_given_residues,
    measure_residues,
    place_given_annotations,
    rank_given_pairs,
    report_explanation,
    report_explanation_in_regions,
)
from esm2_amp.pipelines.functional_regions.pipeline import annotated_nodes
from esm2_amp.pipelines.prediction.nodes import clean_new_pairs

_GROUPS: Final = ("feature_extraction", "prediction", "explanation", "interpretability", "evaluation", "run")
_FOUND: Final = {
    "explained": "explained_pairs",
    "explanations": "explanations",
    "plots": "plots",
    "card": "model_card",
    **{name: name for name in OF_RESIDUES},
    "shown": "params:explanation",
}
_ANNOTATED: Final = ["region_segments", "regions", "region_proteins", "regions_report"]
_REPORTED: Final = (
    *("regions", "region_summary", "region_enrichment", "regions_report", "segment_coverage"),
    *("enrichment_plots", "donut_plots", "coverage_plots", "pair_maps"),
)


def create_pipeline(*, regions: bool = False) -> Pipeline:
    """Proteins, pairs and a model → importances of tokens by every method, figures and a report.

    Parameters
    ----------
    regions : bool
        Whether the most important segments are looked up in annotated regions.
    """
    report = Node(report_explanation, inputs=_FOUND, outputs="report", name="report_explanation")
    parameters = [f"params:{group}" for group in (*_GROUPS, *(["functional_regions"] if regions else []))]
    return Pipeline(
        [
            *feature_extraction.create_pipeline("paired_proteins").nodes,
            *_explanation(),
            *(_in_regions() if regions else [report]),
        ],
        namespace="explanation",
        tags="explanation",
        inputs={"encoder", "stored_features", "published_features", *(["region_file"] if regions else [])},
        parameters={name: name for name in parameters},
    )


def _explanation() -> list[Node]:
    return [
        Node(
            clean_new_pairs,
            inputs=["pairs_raw", "proteins", "dropped_proteins", "params:prediction"],
            outputs=["pairs", "pairs_report", "paired_proteins"],
            name="clean_pairs",
        ),
        Node(
            explain_given_pairs,
            inputs=["pairs", "protein_features", "model", "params:explanation", "params:interpretability",
                    "params:evaluation", "params:run"],
            outputs=["explained_pairs", "explanations", "token_importance", "plots", "gradient_path", "model_card"],
            name="explain_pairs",
        ),
        Node(
            explain_residues,
            inputs=["explained_pairs", "gradient_path", "paired_proteins", "encoder", "scans", "params:explanation",
                    "params:interpretability", "params:run"],
            outputs=["residues", "residue_windows", "residue_tracks", "residue_check"],
            name="explain_residues",
        ),
        Node(
            mask_given_residues,
            inputs=["residues", "protein_features", "model", "paired_proteins", "encoder", "params:interpretability",
                    "params:run", "params:explanation"],
            outputs=["residue_deletion", "residue_deletion_curves", "residue_deletion_pairs", "residue_agreement",
                     "residue_deletion_plot"],
            name="mask_residues",
        ),
    ]  # fmt: skip


def _in_regions() -> list[Node]:
    return [
        Node(
            rank_given_pairs,
            inputs=["explained_pairs", "explanations", "residues", "model_card", "params:explanation",
                    "params:functional_regions"],
            outputs=["ranked_segments", "chosen_importance", "region_parameters"],
            name="rank_segments",
        ),
        Node(
            place_given_annotations,
            inputs=["region_file", "ranked_segments", "proteins", "region_parameters"],
            outputs=[*_ANNOTATED, "region_problems"],
            name="place_annotations",
        ),
        *annotated_nodes("region_parameters"),
        Node(
            measure_residues,
            inputs=["residues", *_ANNOTATED, "region_enrichment", "region_parameters", "params:run"],
            outputs=["residue_enrichment", "both_views"],
            name="measure_residues",
        ),
        Node(
            report_explanation_in_regions,
            inputs=_FOUND | {"parameters": "region_parameters"} | {name: name for name in _REPORTED},
            outputs="report",
            name="report_explanation",
        ),
    ]  # fmt: skip
