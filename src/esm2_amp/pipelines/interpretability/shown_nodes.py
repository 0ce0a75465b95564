"""Nodes of `interpretability` that show what the others found: figures, and the model's part of the report."""

from typing import Any

import pandas as pd

from esm2_amp.explanation.results import Explanations, of_same_pairs
from esm2_amp.parameters.interpretability import InterpretabilityParameters
from esm2_amp.parameters.model_training import ModelParameters
from esm2_amp.parameters.run import RunParameters
from esm2_amp.pipelines.interpretability.residue_nodes import AVERAGED_RESIDUES, CHANGED_SEQUENCE, RESIDUES
from esm2_amp.pipelines.types import Figure, Section, Subject


def draw_checks(
    explained: pd.DataFrame,
    settings: ModelParameters,
    parameters: InterpretabilityParameters,
    run: RunParameters,
    **checks: pd.DataFrame,
) -> dict[str, Figure]:
    """Draw how far the explanations can be trusted.

    Parameters
    ----------
    explained : DataFrame
        `explained_pairs`.
    settings : ModelParameters
        Of the explained model.
    parameters : InterpretabilityParameters
        Which pairs are explained, and how.
    run : RunParameters
        Device, seed, size of scoring batches, and what figures call the data.
    **checks : DataFrame
        `agreement`, `faithfulness`, `faithfulness_curves`, `randomised_weights` and `planted_truth`.

    Returns
    -------
    figures : dict of Figure
        `agreement`, `faithfulness`, `randomised_weights`, and `planted_truth` where it is known.
    """
    from esm2_amp.explanation import figures
    from esm2_amp.explanation.selection import likely_positives

    def tested(pairs: int) -> pd.DataFrame:
        return explained.iloc[likely_positives(explained, pairs, run.seed)]

    title, number = _subject(settings, parameters, run).title, parameters.randomised_weights.pairs
    of_faithfulness = title("faithfulness of explanations", tested(parameters.faithfulness.pairs))
    of_randomised = title("control with randomised weights", tested(number))
    drawn = {
        "agreement": figures.agreement_matrix(checks["agreement"], title("agreement of the methods", explained)),
        "faithfulness": figures.faithfulness_figure(
            checks["faithfulness"], checks["faithfulness_curves"], of_faithfulness
        ),
        "randomised_weights": figures.randomised_weights_figure(checks["randomised_weights"], of_randomised),
    }
    if len(planted := checks["planted_truth"]):
        drawn["planted_truth"] = figures.planted_truth_figure(planted, title("planted truth", _recognised(explained)))
    return drawn


def draw_residues(
    explained: pd.DataFrame,
    planted: pd.DataFrame,
    curves: pd.DataFrame,
    masked: pd.DataFrame,
    settings: ModelParameters,
    parameters: InterpretabilityParameters,
    run: RunParameters,
) -> dict[str, Figure]:
    """Draw how far what is said of residues can be trusted.

    Parameters
    ----------
    explained : DataFrame
        `explained_pairs`.
    planted : DataFrame
        Of `check_planted_residues`.
    curves, masked : DataFrame
        `residue_deletion_curves` and `residue_deletion_pairs` of `mask_residues`.
    settings : ModelParameters
        Of the explained model.
    parameters : InterpretabilityParameters
        Which pairs are explained, and how.
    run : RunParameters
        Device, seed, size of scoring batches, and what figures call the data.

    Returns
    -------
    figures : dict of Figure
        `planted_residues` where motifs are known, and `residue_deletion` where pairs were scanned.
    """
    from esm2_amp.explanation.residue_figures import planted_residues_figure, residue_deletion_figure
    from esm2_amp.explanation.residue_tables import MEASURE_NAMES

    title, drawn = _subject(settings, parameters, run).title, {}
    if len(planted):
        names = {name: name.capitalize() for name in (RESIDUES, AVERAGED_RESIDUES, CHANGED_SEQUENCE)}
        of_planted = title("planted motifs", _recognised(explained))
        drawn["planted_residues"] = planted_residues_figure(planted, names, of_planted)
    if len(curves):
        scanned = explained.merge(masked[["Protein1", "Protein2"]].drop_duplicates())
        drawn["residue_deletion"] = residue_deletion_figure(curves, MEASURE_NAMES, title("masked residues", scanned))
    return drawn


def describe_residues(
    windows: pd.DataFrame,
    check: dict[str, Any],
    planted: pd.DataFrame,
    areas: pd.DataFrame,
    masked: pd.DataFrame,
    agreement: pd.DataFrame,
    plots: dict[str, Any],
    settings: ModelParameters,
) -> Section:
    """Say for the report which residues a model's scores rest on, and how far to trust that.

    Parameters
    ----------
    windows, check
        Of `explain_residues`.
    planted : DataFrame
        Of `check_planted_residues`.
    areas, masked, agreement : DataFrame
        Areas, pairs and agreement of `mask_residues`.
    plots : dict of PNGs
        Of `draw_residues`.
    settings : ModelParameters
        Of the explained model.
    """
    from esm2_amp.report.residues import ModelResidues, residue_part

    found = ModelResidues(windows, check, planted, areas, masked, agreement)
    return residue_part(settings.network.architecture, found, plots)


def describe_explanation(
    explained: pd.DataFrame,
    explanations: Explanations,
    latent_explanations: Explanations | None,
    metrics: dict[str, Any],
    plots: dict[str, Any],
    residues: Section,
    latents: Section | None,
    settings: ModelParameters,
    **checks: Any,
) -> Section:
    """Say for the report what a model looks at by each method, whether the methods agree, and whether they are right.

    Parameters
    ----------
    explained : DataFrame
        `explained_pairs`.
    explanations, latent_explanations : dict of Explanation
        Those on latents are taken along where they are of the same pairs.
    metrics : dict
        The model's, of `evaluation`.
    plots : dict of PNGs
        Of `explain_pairs`.
    residues, latents : Section
        Of `describe_residues` and of `describe_latents` of `latent_explanation`.
    settings : ModelParameters
        Of the explained model.
    **checks : DataFrame or dict of PNGs
        The fields of `esm2_amp.report.explanations.Checks`.
    """
    from esm2_amp.report.explanations import Checks, explanation_part

    return explanation_part(
        settings.network.architecture,
        metrics["test"]["auroc"],
        explained,
        of_same_pairs(explained, explanations, latent_explanations),
        plots,
        Checks(**checks),
        residues,
        latents,
    )


def _recognised(explained: pd.DataFrame) -> pd.DataFrame:
    """The interacting pairs that the model recognises; all pairs where there are none."""
    from esm2_amp.explanation.selection import is_true_positive

    is_used = is_true_positive(explained)
    return explained[is_used] if is_used.any() else explained


def _subject(settings: ModelParameters, parameters: InterpretabilityParameters, run: RunParameters) -> Subject:
    from esm2_amp.explanation.drawing import Subject

    return Subject(settings.network.architecture, parameters.split, run.data_name)
