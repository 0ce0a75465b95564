"""Wiring of `interpretability`: every method explains the same pairs of a model, then they are put to the test."""

from typing import Final

from kedro.pipeline import Node, Pipeline

from esm2_amp.parameters.model_training import EXPLAINED
from esm2_amp.pipelines.interpretability.nodes import (
    check_planted_truth,
    compare_methods,
    explain_pairs,
    measure_faithfulness,
    randomise_weights,
    select_explained_pairs,
)
from esm2_amp.pipelines.interpretability.residue_nodes import check_planted_residues, explain_residues, mask_residues
from esm2_amp.pipelines.interpretability.shown_nodes import (
    describe_explanation,
    describe_residues,
    draw_checks,
    draw_residues,
)
from esm2_amp.pipelines.per_model import for_every_model

_SHARED: Final = {"model_pairs", "protein_features", "planted_sites", "proteins", "encoder", "scans"}
_PARAMETERS: Final = {"params:interpretability", "params:run"}
_FOUND: Final = ["explained_pairs", "explanations", "latent_explanations"]
_DATA: Final = ["model_pairs", "protein_features", "model"]
_PARAMS: Final = ["params:interpretability", "params:run"]
_SETTINGS: Final = {"settings": "params:settings", "parameters": "params:interpretability", "run": "params:run"}
_CHECKS: Final = {name: name for name in ("planted_truth", "faithfulness", "randomised_weights", "agreement")}


def create_pipeline() -> Pipeline:
    """Trained models and their scores → importance of each token by each method, and how far to trust it."""
    return _for_explained_models(_explanation()) + create_trust_pipeline()


def create_trust_pipeline() -> Pipeline:
    """Explanations by all methods → whether they agree, and whether they are right."""
    return _for_explained_models(_trust())


def _for_explained_models(nodes: list[Node]) -> Pipeline:
    used = {name for node in nodes for name in node.inputs}
    return for_every_model(
        nodes,
        inputs=_SHARED & used,
        parameters=_PARAMETERS & used,
        group="interpretability",
        tags="interpretability",
        models=EXPLAINED,
    )


def _explanation() -> list[Node]:
    return [
        Node(
            select_explained_pairs,
            inputs=[*_DATA, "scored_pairs", "metrics", *_PARAMS],
            outputs="explained_pairs",
            name="select_explained_pairs",
        ),
        Node(
            explain_pairs,
            inputs=["explained_pairs", *_DATA, *_PARAMS],
            outputs=["explanations", "explanation_plots", "gradient_path"],
            name="explain_pairs",
        ),
        Node(
            explain_residues,
            inputs=["explained_pairs", "gradient_path", "proteins", "encoder", "scans", "params:settings", *_PARAMS],
            outputs=["residues", "residue_windows", "residue_check"],
            name="explain_residues",
        ),
        Node(
            mask_residues,
            inputs=["explained_pairs", "residues", "protein_features", "model", "proteins", "encoder", *_PARAMS],
            outputs=["residue_deletion", "residue_deletion_curves", "residue_deletion_pairs", "residue_agreement"],
            name="mask_residues",
        ),
        Node(
            check_planted_residues,
            inputs=["explained_pairs", "residues", "planted_sites", "params:interpretability"],
            outputs="planted_residues",
            name="check_planted_residues",
        ),
        Node(
            draw_residues,
            inputs=["explained_pairs", "planted_residues", "residue_deletion_curves", "residue_deletion_pairs",
                    "params:settings", *_PARAMS],
            outputs="residue_plots",
            name="draw_residues",
        ),
        Node(
            describe_residues,
            inputs=["residue_windows", "residue_check", "planted_residues", "residue_deletion",
                    "residue_deletion_pairs", "residue_agreement", "residue_plots", "params:settings"],
            outputs="residue_part",
            name="describe_residues",
        ),
    ]  # fmt: skip


def _trust() -> list[Node]:
    return [
        Node(compare_methods, inputs=_FOUND, outputs="agreement", name="compare_methods"),
        Node(
            measure_faithfulness,
            inputs=[*_FOUND, *_DATA, *_PARAMS],
            outputs=["faithfulness", "faithfulness_curves"],
            name="measure_faithfulness",
        ),
        Node(
            randomise_weights,
            inputs=["explained_pairs", *_DATA, *_PARAMS],
            outputs="randomised_weights",
            name="randomise_weights",
        ),
        Node(
            check_planted_truth,
            inputs=[*_FOUND, "planted_sites", "params:settings"],
            outputs="planted_truth",
            name="check_planted_truth",
        ),
        Node(
            draw_checks,
            inputs={
                "explained": "explained_pairs",
                **_SETTINGS,
                **_CHECKS,
                "faithfulness_curves": "faithfulness_curves",
            },
            outputs="check_plots",
            name="draw_checks",
        ),
        Node(
            describe_explanation,
            inputs={
                "explained": "explained_pairs",
                "explanations": "explanations",
                "latent_explanations": "latent_explanations",
                "metrics": "metrics",
                "plots": "explanation_plots",
                "residues": "residue_part",
                "latents": "latent_part",
                "settings": "params:settings",
                **_CHECKS,
                "figures": "check_plots",
            },
            outputs="explanation_part",
            name="describe_explanation",
        ),
    ]  # fmt: skip
