"""Nodes of `explanation`: what an existing model's scores of given pairs rest on, with labels or without."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from esm2_amp.cluster import Cluster
from esm2_amp.errors import InputError
from esm2_amp.explanation.methods import METHODS, explain
from esm2_amp.explanation.results import Explanations
from esm2_amp.parameters.evaluation import EvaluationParameters
from esm2_amp.parameters.explanation import ExplanationParameters
from esm2_amp.parameters.functional_regions import RegionParameters
from esm2_amp.parameters.interpretability import InterpretabilityParameters
from esm2_amp.parameters.run import RunParameters
from esm2_amp.pipelines.functional_regions.nodes import place_annotations
from esm2_amp.pipelines.interpretability.residue_nodes import Masked, mask_scanned, residue_source
from esm2_amp.pipelines.prediction.nodes import score_new_pairs
from esm2_amp.pipelines.types import (
    Encoder,
    Figure,
    Figures,
    GradientPath,
    ProteinFeatures,
    RegionFile,
    TrainedModel,
)

logger = logging.getLogger(__name__)

_GIVEN: Final = "given"
"""What stands in place of the split in titles of figures."""


OF_RESIDUES: Final = (
    *("residues", "residue_windows", "residue_check"),
    *("residue_deletion", "residue_deletion_pairs", "residue_agreement", "residue_deletion_plot"),
)
"""What the page shows of residues, in the order of `esm2_amp.report.given_pairs.ExplainedResidues`."""


class ResidueExplanation(NamedTuple):
    """The residues of explained pairs; empty tables where residues can't be explained.

    Attributes
    ----------
    residues : DataFrame
        Of `esm2_amp.explanation.residue_tables.residue_table`; `ScanEffect` is NaN for pairs that weren't scanned.
    windows : DataFrame
        Of `esm2_amp.explanation.residue_tables.strongest_windows`.
    tracks : dict of str
        Texts by the names of files: for each drawn pair bedGraph, and attributes for ChimeraX.
    check : dict
        How well residues add up to tokens; empty where there are none.
    """

    residues: pd.DataFrame
    windows: pd.DataFrame
    tracks: dict[str, str]
    check: dict[str, Any]


def explain_given_pairs(
    pairs: pd.DataFrame,
    features: ProteinFeatures,
    model: TrainedModel,
    parameters: ExplanationParameters,
    methods: InterpretabilityParameters,
    evaluation: EvaluationParameters,
    run: RunParameters,
) -> tuple[pd.DataFrame, Explanations, pd.DataFrame, Figures, tuple[GradientPath, ...], dict[str, Any]]:
    """Score given pairs with a model, and explain the scores by every method that it allows.

    Nothing but the model's folder is needed: Integrated Gradients start from the average protein of its training.

    Parameters
    ----------
    pairs : DataFrame
        Of `esm2_amp.pipelines.prediction.nodes.clean_new_pairs`. Pairs that can't be scored are left out, and of a
        pair that stands there twice the first row is explained.
    features : ProteinFeatures
        Vectors of the proteins in the pairs.
    model : TrainedModel
        Attention is left out for a model that has none.
    parameters : ExplanationParameters
        What is shown of the pairs, and which are scanned.
    methods : InterpretabilityParameters
        Its methods, how they are computed, and the pairs that get figures of their own in place of those of highest
        probability.
    evaluation : EvaluationParameters
        The threshold of decisions.
    run : RunParameters
        Device, seed, size of scoring batches, and what figures call the data.

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
    path : tuple of GradientPath
        What the explanation of residues continues; empty where they aren't explained.
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
    from esm2_amp.explanation.gradients import GradientPath, average_pair
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
        keep_path=parameters.residues_up_to > 0,
        cluster=Cluster.of(run),
    )
    found = explain(names, context)
    path = GradientPath.taken_from(found, context, features)
    card = {"name": model.architecture, **model.card, "architecture": model.architecture}
    drawn = draw_explanations(found, context, Subject(card["name"], _GIVEN, parameters.data_name))
    return explained, found, token_importance(found), drawn, path, card


def _methods_of(model: TrainedModel, parameters: InterpretabilityParameters) -> list[str]:
    """The methods that a model can be explained by."""
    from esm2_amp.models.amp import TransformerPairNetwork
    from esm2_amp.models.ensemble import members_of

    attends = isinstance(members_of(model.network)[0], TransformerPairNetwork)
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


def explain_residues(
    explained: pd.DataFrame,
    paths: tuple[GradientPath, ...],
    proteins: pd.DataFrame,
    encoder: Callable[[], Encoder],
    scans: Path,
    parameters: ExplanationParameters,
    methods: InterpretabilityParameters,
    run: RunParameters,
) -> ResidueExplanation:
    """Split what each token adds to a score among its residues, and check it by changing the sequences.

    A segment is the mean of its residues, so that its Integrated Gradients go on to them exactly (METHOD section 10).
    The check replaces windows of residues, embeds the changed proteins, and scores the pair again.

    Parameters
    ----------
    explained, paths
        Of `explain_given_pairs`.
    proteins : DataFrame
        `Entry`, `Sequence`; empty where features are given in their place, which have no residues.
    encoder : callable
        Loads the encoder.
    scans : Path
        Folder of finished scans, from which an interrupted run goes on.
    parameters : ExplanationParameters
        What is shown of the pairs, and which are scanned.
    methods : InterpretabilityParameters
        How pairs and residues are explained.
    run : RunParameters
        Device, seed, size of scoring batches, and what figures call the data.

    Returns
    -------
    found : ResidueExplanation
    """
    from esm2_amp.explanation import residue_tables
    from esm2_amp.explanation.mutation_scan import ScanStore, scan_some, scannable
    from esm2_amp.explanation.rescoring import Rescorer
    from esm2_amp.explanation.residues import residue_attributions

    source = residue_source(paths[0].features, proteins, encoder, run) if paths else None
    if source is None:
        return ResidueExplanation(*residue_tables.no_residues(), {}, {})
    (path,) = paths
    rows = np.sort(_likeliest(explained, parameters.residues_up_to))
    chosen, pairs = explained.iloc[rows].reset_index(drop=True), path.pairs.only(rows)
    found = residue_attributions(path.attributions.take(rows), chosen, pairs, path.baseline, path.network, source)
    options = methods.residues
    rows = scannable(found.values, options.scan.window, parameters.scanned_up_to)
    rows = rows[_likeliest(chosen.iloc[rows], parameters.scanned_pairs)]
    rescorer = Rescorer.of(path.network, chosen.iloc[rows], pairs.only(rows), source, methods.batch_size)
    store, cluster = ScanStore(scans), Cluster.of(run)
    effects = scan_some(rows, found.values, rescorer, options.scan, seed=run.seed, store=store, cluster=cluster)
    table = residue_tables.residue_table(chosen, source.sequences, found.values, effects)
    windows = residue_tables.strongest_windows(table, options.window, options.windows)
    drawn = chosen.iloc[_likeliest(chosen, parameters.drawn_pairs)]
    return ResidueExplanation(table, windows, _tracks(table, drawn), found.summary())


def _likeliest(explained: pd.DataFrame, count: int) -> NDArray[np.int64]:
    """Numbers of the pairs of highest probability, the highest first."""
    return np.argsort(-explained["Probability"].to_numpy(), kind="stable")[:count]


def mask_given_residues(
    residues: pd.DataFrame,
    features: ProteinFeatures,
    model: TrainedModel,
    proteins: pd.DataFrame,
    encoder: Callable[[], Encoder],
    methods: InterpretabilityParameters,
    run: RunParameters,
    parameters: ExplanationParameters,
) -> tuple[*Masked, Figure]:
    """Mask the residues named first in the pairs that were scanned, as `mask_residues` of `interpretability` does."""
    from esm2_amp.explanation.drawing import Subject
    from esm2_amp.explanation.residue_figures import residue_deletion_figure
    from esm2_amp.explanation.residue_tables import MEASURE_NAMES, scanned_pairs

    pairs = scanned_pairs(residues)
    masked = mask_scanned(pairs, residues, (model, features), (proteins, encoder), methods, run)
    subject = Subject(model.card.get("name", model.architecture), _GIVEN, parameters.data_name)
    title = subject.title("masked residues", pairs) if len(pairs) else ""
    return *masked, residue_deletion_figure(masked[1], MEASURE_NAMES, title)


def _tracks(residues: pd.DataFrame, pairs: pd.DataFrame) -> dict[str, str]:
    from esm2_amp.explanation.residue_tables import bed_graph, chimerax_attributes
    from esm2_amp.explanation.selection import pair_ids

    tracks = {}
    of_pair = dict(list(residues.groupby(["Protein1", "Protein2"], sort=False)))
    for name, key in zip(pair_ids(pairs), zip(pairs["Protein1"], pairs["Protein2"], strict=True), strict=True):
        tracks[f"{name}.bedgraph"] = bed_graph(of_pair[key])
        tracks[f"{name}.defattr"] = chimerax_attributes(of_pair[key])
    return tracks


def measure_residues(
    residues: pd.DataFrame,
    segments: pd.DataFrame,
    regions: pd.DataFrame,
    proteins: pd.DataFrame,
    report: dict[str, Any],
    enrichment: pd.DataFrame,
    parameters: RegionParameters,
    run: RunParameters,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Ask of residues what `measure_enrichment` asks of segments: do those in annotated regions add more to a score?

    Parameters
    ----------
    residues : DataFrame
        Of `explain_residues`.
    segments, regions, proteins, report
        Of `place_given_annotations`.
    enrichment : DataFrame
        Of `measure_enrichment`.
    parameters : RegionParameters
        How differences from chance are tested.
    run : RunParameters
        Device, seed, size of scoring batches, and what figures call the data.

    Returns
    -------
    of_residues : DataFrame
        Of `esm2_amp.regions.residue_enrichment.residue_enrichment`.
    views : DataFrame
        Of `esm2_amp.regions.residue_enrichment.both_views`: what the finer view adds.
    """
    from esm2_amp.regions.coverage import measure
    from esm2_amp.regions.residue_enrichment import (
        CONTRAST_COLUMNS,
        VIEW_COLUMNS,
        both_views,
        residue_enrichment,
    )

    group = segments[["Protein1", "Protein2", "Group"]].drop_duplicates(["Protein1", "Protein2"])
    of_kept = residues.merge(group, on=["Protein1", "Protein2"])
    if of_kept.empty:
        return pd.DataFrame(columns=list(CONTRAST_COLUMNS)), pd.DataFrame(columns=list(VIEW_COLUMNS))
    found = residue_enrichment(
        of_kept,
        measure(regions, proteins, report),
        permutations=parameters.permutations,
        replicates=parameters.replicates,
        level=parameters.level,
        seed=run.seed,
    )
    return found, both_views(enrichment, found)


def rank_given_pairs(
    explained: pd.DataFrame,
    explanations: Explanations,
    residues: pd.DataFrame,
    card: dict[str, Any],
    parameters: ExplanationParameters,
    regions: RegionParameters,
) -> tuple[pd.DataFrame, pd.DataFrame, RegionParameters]:
    """Rank the segments of the explained pairs by importance.

    Those of a model that reads whole proteins, and so gives a segment no importance, are ranked by what their residues
    add to the logit together.

    Parameters
    ----------
    explained, explanations, card
        Of `explain_given_pairs`.
    residues : DataFrame
        Of `explain_residues`.
    parameters : ExplanationParameters
        The method whose segments are ranked.
    regions : RegionParameters
        How many ranks there are, and the group of pairs.

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
        The model wasn't explained by the method, or has neither segments nor residues.
    """
    from esm2_amp.explanation.residue_tables import segment_sums
    from esm2_amp.regions.segments import keep_group, rank_segments

    found = explanations.get(parameters.regions_by)
    if found is None or found.importance is None:
        raise InputError(
            f"explained_by must be one of the methods that explain the pairs, {', '.join(explanations)}, got "
            f"{parameters.regions_by}"
        )
    importance = found.importance
    if not importance.columns.str.contains("_segment").any():
        if residues.empty:
            raise InputError(
                f"{card['name']} ({card['architecture']}) reads whole proteins, not segments that could lie in "
                "regions, and its residues aren't explained; explain them (proteins=FILE, explanation.residues_up_to), "
                "give a model that reads segments, such as --params=model=ppi_mini_amps, or leave out regions="
            )
        importance = segment_sums(residues, explained)
        logger.info("%s reads whole proteins: segments are ranked by what their residues add together", card["name"])
    of_run = {"explained_model": card["name"], "explained_by": parameters.regions_by, "data_name": parameters.data_name}
    segments = keep_group(rank_segments(importance, regions.ranks), regions.group)
    return segments, importance, regions.model_copy(update=of_run)


def place_given_annotations(
    region_file: RegionFile, segments: pd.DataFrame, proteins: pd.DataFrame, parameters: RegionParameters
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame, dict[str, Any], pd.DataFrame]:
    """Read the annotations of the pairs' proteins as `place_annotations`, which gives lengths without `proteins`."""
    return place_annotations(region_file, segments, proteins if len(proteins) else None, None, parameters)


def report_explanation(
    explained: pd.DataFrame,
    explanations: Explanations,
    plots: dict[str, Any],
    card: dict[str, Any],
    shown: ExplanationParameters,
    **found: Any,
) -> str:
    """Write one page (HTML) on the explained pairs, which needs nothing but a browser.

    Parameters
    ----------
    explained, explanations, plots, card
        Of `explain_given_pairs`, figures as PNGs.
    shown : ExplanationParameters
        What the page calls the pairs.
    **found
        `residues`, `residue_windows`, `residue_check`, `residue_deletion`, `residue_deletion_pairs`,
        `residue_agreement` and the PNG `residue_deletion_plot`.
    """
    from esm2_amp.report.given_pairs import ExplainedResidues, explained_chapter
    from esm2_amp.report.page import render

    of_residues = ExplainedResidues(*(found[name] for name in OF_RESIDUES))
    chapter = explained_chapter(explained, explanations, plots, card, shown.data_name, of_residues)
    return render(f"{card['name']} explained on {shown.data_name}", [chapter])


def report_explanation_in_regions(
    explained: pd.DataFrame,
    explanations: Explanations,
    plots: dict[str, Any],
    card: dict[str, Any],
    parameters: RegionParameters,
    shown: ExplanationParameters,
    **found: Any,
) -> str:
    """Write the page of `report_explanation`, with the regions that important segments and residues lie in.

    Parameters
    ----------
    explained, explanations, plots, card
        Of `explain_given_pairs`, figures as PNGs.
    parameters : RegionParameters
        Of `rank_given_pairs`.
    shown : ExplanationParameters
        What the page calls the pairs.
    **found
        As of `report_explanation`; `regions`; tables and figures as for
        `esm2_amp.report.regions.regions_chapters`.
    """
    from esm2_amp.report.given_pairs import ExplainedResidues, explained_chapter
    from esm2_amp.report.page import render
    from esm2_amp.report.regions import regions_chapters

    parts = [found.pop(name) for name in (*OF_RESIDUES, "regions")]
    of_residues = ExplainedResidues(*parts)._replace(types=found["regions_report"]["types"])
    with_maps = plots | {"pair_maps": found["pair_maps"] or {}}
    chapters = [
        explained_chapter(explained, explanations, with_maps, card, shown.data_name, of_residues),
        regions_chapters(parameters, explained, **found)[0],
    ]
    return render(f"{card['name']} explained on {shown.data_name}", chapters)
