"""Nodes of `explanation`: what an existing model's scores of given pairs rest on, with labels or without."""

import logging
from typing import Any, Final

import pandas as pd

from esm2_amp.errors import InputError
from esm2_amp.explanation.methods import METHODS, explain
from esm2_amp.explanation.results import Explanations
from esm2_amp.parameters.evaluation import EvaluationParameters
from esm2_amp.parameters.explanation import ExplanationParameters
from esm2_amp.parameters.functional_regions import RegionParameters
from esm2_amp.parameters.interpretability import InterpretabilityParameters
from esm2_amp.parameters.run import RunParameters
from esm2_amp.pipelines.functional_regions.nodes import place_annotations
from esm2_amp.pipelines.prediction.nodes import score_new_pairs
from esm2_amp.pipelines.types import Figures, ProteinFeatures, RegionFile, TrainedModel

logger = logging.getLogger(__name__)

_GIVEN: Final = "given"
"""What stands in place of the split in titles of figures."""


def explain_given_pairs(
    pairs: pd.DataFrame,
    features: ProteinFeatures,
    model: TrainedModel,
    parameters: ExplanationParameters,
    methods: InterpretabilityParameters,
    evaluation: EvaluationParameters,
    run: RunParameters,
) -> tuple[pd.DataFrame, Explanations, pd.DataFrame, Figures, dict[str, Any]]:
    """Score given pairs with a model, and explain the scores by every method that it allows.

    Nothing but the model's folder is needed: Integrated Gradients start from the average protein of its training.

    Parameters
    ----------
    pairs : DataFrame
        Of `esm2_amp.pipelines.prediction.nodes.clean_new_pairs`. Pairs that can't be scored are left out, and of a
        pair that stands there twice the first row is explained.
    features : ProteinFeatures
    model : TrainedModel
        Attention is left out for a model that has none.
    parameters : ExplanationParameters
    methods : InterpretabilityParameters
        Its methods, how they are computed, and the pairs that get figures of their own in place of those of highest
        probability.
    evaluation : EvaluationParameters
        The threshold of decisions.
    run : RunParameters

    Returns
    -------
    explained : DataFrame
        `Protein1`, `Protein2` as the proteins are named; `Label` if given; `Probability`, `CalibratedProbability` if
        the model has a temperature, `Prediction`, and `Seen`: "C1" where both proteins were in the model's training,
        "C2" one, "C3" none, "unknown".
    explanations : dict of Explanation
        By method.
    token_importance : DataFrame
        Of `esm2_amp.explanation.results.token_importance`.
    figures : dict of Figure
        Of `esm2_amp.explanation.drawing.draw_explanations`.
    card : dict
        What is known of the model: the card of its training, with its `name` and `architecture`.

    Raises
    ------
    InputError
        No pair can be scored, or the model can't read the features or be explained by any of the methods.
    """
    from esm2_amp.devices import resolve_device
    from esm2_amp.explanation.context import ModelContext
    from esm2_amp.explanation.drawing import Subject, draw_explanations
    from esm2_amp.explanation.gradients import average_pair
    from esm2_amp.explanation.results import token_importance
    from esm2_amp.explanation.selection import find_pairs
    from esm2_amp.validation.pairs import known_pairs

    model.check_features(features)
    names = _methods_of(model, methods)
    known = known_pairs(pairs, features.entries).drop_duplicates(["Protein1", "Protein2"], ignore_index=True)
    explained = score_new_pairs(known, features, model, evaluation, run).drop(columns="Status")
    explained = explained.astype({"Prediction": "int8"}).assign(Seen=model.seen(features, known))
    chosen = find_pairs(explained.assign(split=_GIVEN), methods.chosen_pairs, _GIVEN)
    best = explained["Probability"].nlargest(parameters.drawn_pairs).index.tolist()
    context = ModelContext(
        explained,
        model.pairs(features, explained),
        model.network,
        average_pair(model, features),
        chosen or best,
        methods.integrated_gradients,
        methods.batch_size,
        resolve_device(run.device),
    )
    found = explain(names, context)
    card = {"name": model.architecture, **model.card, "architecture": model.architecture}
    drawn = draw_explanations(found, context, Subject(card["name"], _GIVEN, run.data_name))
    return explained, found, token_importance(found), drawn, card


def _methods_of(model: TrainedModel, parameters: InterpretabilityParameters) -> list[str]:
    """The methods that a model can be explained by."""
    from esm2_amp.models.amp import TransformerPairNetwork

    attends = isinstance(model.network, TransformerPairNetwork)
    names: list[str] = [
        name for name in parameters.methods if attends or not METHODS[name].function.startswith("attention:")
    ]
    if not names:
        raise InputError(
            f"{model.architecture} has no attention, by which it should be explained; add integrated_gradients to "
            "interpretability.methods, or give a model ESM2_AMPS or ESM2_AMP_CSE"
        )
    if len(names) < len(parameters.methods):
        logger.info("%s has no attention: it is explained by %s", model.architecture, ", ".join(names))
    return names


def rank_given_pairs(
    explanations: Explanations,
    card: dict[str, Any],
    parameters: ExplanationParameters,
    regions: RegionParameters,
    run: RunParameters,
) -> tuple[pd.DataFrame, pd.DataFrame, RegionParameters]:
    """Rank the segments of the explained pairs by importance.

    Returns
    -------
    segments : DataFrame
        Of `esm2_amp.regions.segments.rank_segments`.
    importance : DataFrame
        The importance table that they were ranked by.
    regions : RegionParameters
        With the model, the method and the data that figures are of.

    Raises
    ------
    InputError
        The model wasn't explained by the method, or doesn't read segments.
    """
    from esm2_amp.regions.segments import keep_group, rank_segments

    found = explanations.get(parameters.regions_by)
    if found is None or found.importance is None:
        raise InputError(
            f"explained_by must be one of the methods that explain the pairs, {', '.join(explanations)}, got "
            f"{parameters.regions_by}"
        )
    if not found.importance.columns.str.contains("_segment").any():
        raise InputError(
            f"{card['name']} ({card['architecture']}) reads whole proteins, not segments that could lie in regions; "
            "give a model that reads segments, such as --params=model=ppi_mini_amps, or leave out regions="
        )
    of_run = {"explained_model": card["name"], "explained_by": parameters.regions_by, "data_name": run.data_name}
    segments = keep_group(rank_segments(found.importance, regions.ranks), regions.group)
    return segments, found.importance, regions.model_copy(update=of_run)


def place_given_annotations(
    region_file: RegionFile, segments: pd.DataFrame, proteins: pd.DataFrame, parameters: RegionParameters
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame, dict[str, Any], pd.DataFrame]:
    """Read the annotations of the pairs' proteins as `place_annotations`, which gives lengths without `proteins`."""
    return place_annotations(region_file, segments, proteins if len(proteins) else None, None, parameters)


def report_explanation(
    explained: pd.DataFrame, explanations: Explanations, plots: dict[str, Any], card: dict[str, Any], run: RunParameters
) -> str:
    """Write one page (HTML) on the explained pairs, which needs nothing but a browser.

    Parameters
    ----------
    explained, explanations, plots, card
        Of `explain_given_pairs`, figures as PNGs.
    run : RunParameters
    """
    return report_explanation_in_regions(explained, explanations, plots, card, None, run)


def report_explanation_in_regions(
    explained: pd.DataFrame,
    explanations: Explanations,
    plots: dict[str, Any],
    card: dict[str, Any],
    parameters: RegionParameters | None,
    run: RunParameters,
    **found: Any,
) -> str:
    """Write the page of `report_explanation`, with the regions that important segments lie in.

    Parameters
    ----------
    explained, explanations, plots, card
        Of `explain_given_pairs`, figures as PNGs.
    parameters : RegionParameters, optional
        Of `rank_given_pairs`.
    run : RunParameters
    **found
        Tables and figures as for `esm2_amp.report.regions.regions_chapters`.
    """
    from esm2_amp.report.given_pairs import explained_chapter
    from esm2_amp.report.page import render
    from esm2_amp.report.regions import regions_chapters

    maps = found.get("pair_maps") or {}
    chapters = [explained_chapter(explained, explanations, plots | {"pair_maps": maps}, card, run.data_name)]
    if parameters is not None:
        chapters.append(regions_chapters(parameters, explained, **found)[0])
    return render(f"{card['name']} explained on {run.data_name}", chapters)
