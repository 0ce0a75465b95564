"""Nodes of `screening`: all pairs of a proteome, or of queries with it, scored; and what is kept of the scores."""

import logging
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from esm2_amp.cluster import Cluster
from esm2_amp.errors import InputError
from esm2_amp.files import SourceTable
from esm2_amp.parameters.feature_extraction import ExtractionParameters
from esm2_amp.parameters.run import RunParameters
from esm2_amp.parameters.screening import ScreeningParameters
from esm2_amp.pipelines.types import (
    Figure,
    Kept,
    Network,
    ProteinFeatures,
    Sureness,
    TrainedModel,
    WantedPairs,
    Watch,
)

logger = logging.getLogger(__name__)

CSV_ROWS = 1_000_000
"""Candidates that the CSV table holds; the Parquet table has all."""


class Screened(NamedTuple):
    """A finished screen.

    Attributes
    ----------
    entries : list of P str
        Names of the proteins, in the order of the protein file, further queries after them.
    queries : list of str
        Names of the queries, where any are given.
    wanted : WantedPairs
        The pairs that were scored.
    watch : Watch
        The known pairs among them.
    known : ndarray, shape (M, 2), int64
        Rows of all known pairs, the earlier protein first.
    trained : ndarray, shape (P,), bool, optional
        Proteins that the model was trained on; None where that isn't known.
    kept : Kept
        What is kept of the scores.
    background : Kept, optional
        What is kept of the scores of the queries' partners with a sample of the proteins.
    precision : {"float32", "bfloat16"}
        Number format in which pairs were scored.
    sureness : Sureness, optional
        How sure the scores of the candidates are.
    """

    entries: list[str]
    queries: list[str]
    wanted: WantedPairs
    watch: Watch
    known: np.ndarray
    trained: np.ndarray | None
    kept: Kept
    background: Kept | None
    precision: str
    sureness: Sureness | None = None


def add_queries(
    queries_raw: SourceTable | None,
    proteome: pd.DataFrame,
    dropped_proteins: pd.DataFrame,
    parameters: ExtractionParameters,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Find the queries among the proteins, and add those that are given with a sequence of their own.

    Parameters
    ----------
    queries_raw : SourceTable, optional
        `Entry` and `Sequence`; without it all proteins are paired with all.
    proteome : DataFrame
        `Entry`, `Sequence`; empty where features are given in place of proteins.
    dropped_proteins : DataFrame
        `Entry` and `Problem` of the proteins that were left out.
    parameters : ExtractionParameters
        How sequences are checked and embedded.

    Returns
    -------
    proteins : DataFrame
        The proteome, then the queries that it lacks.
    queries : DataFrame
        `Entry` and `InProteome`.

    Raises
    ------
    InputError
        A query can't be found or used, or there are fewer than two proteins.
    """
    from esm2_amp.screening.queries import find_queries

    none = pd.DataFrame({"Entry": pd.array([], dtype="str"), "InProteome": np.empty(0, bool)})
    if queries_raw is None:
        if len(proteome) == 1:
            raise InputError(
                f"A screen needs at least two proteins, got {proteome['Entry'].iloc[0]} alone; give the proteome by "
                "--params=proteins=FILE, and this protein by queries=FILE"
            )
        return proteome, none
    if not len(proteome):  # features are given in place of proteins: their names are looked up there
        entries = pd.Series(list(dict.fromkeys(queries_raw.frame["Entry"].str.strip())), dtype="str")
        return proteome, pd.DataFrame({"Entry": entries, "InProteome": True})
    found = find_queries(queries_raw, proteome, dropped_proteins, parameters.shortest_protein)
    logger.info(
        "%s queries, %s of them among the %s proteins",
        f"{len(found.queries):,}", f"{found.queries['InProteome'].sum():,}", f"{len(proteome):,}",
    )  # fmt: skip
    return found.proteins, found.queries


def clean_known_pairs(
    known_raw: SourceTable | None, proteins: pd.DataFrame, dropped_proteins: pd.DataFrame
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Check the known pairs; those that are labelled 0 are left out.

    Parameters
    ----------
    known_raw : SourceTable, optional
        `Protein1`, `Protein2` and perhaps `Label`.
    proteins : DataFrame
        `Entry`; empty where features are given in place of proteins.
    dropped_proteins : DataFrame
        `Entry` and `Problem` of the proteins that were left out.

    Returns
    -------
    known : DataFrame
        `Protein1`, `Protein2` of the pairs whose proteins are there.
    report : dict
        Counts of what was read and left out.

    Raises
    ------
    InputError
        No pair is of proteins that are there, or none is labelled 1.
    """
    from esm2_amp.validation.pairs import clean_pairs, why_not_scored

    if known_raw is None:
        return pd.DataFrame({"Protein1": [], "Protein2": []}, dtype="str"), {"read": 0, "kept": 0}
    pairs, report = clean_pairs(
        known_raw, None, self_pairs="keep", duplicate_pairs="drop", labels="optional", protein_source=""
    )
    if "Label" in pairs:
        pairs = pairs[pairs["Label"] == 1]
        if not len(pairs):
            raise InputError(
                f"{known_raw.file}: known pairs must be labelled 1 or have no label, got none of them; correct the "
                "column Label or leave it out"
            )
    if len(proteins):
        status = why_not_scored(pairs, proteins["Entry"].tolist(), known_raw.file, dropped_proteins)
        pairs = pairs[status == ""]
    return pairs[["Protein1", "Protein2"]].reset_index(drop=True), {**report, "kept": len(pairs)}


def screen_pairs(
    features: ProteinFeatures,
    queries: pd.DataFrame,
    known: pd.DataFrame,
    model: TrainedModel,
    folder: Path,
    parameters: ScreeningParameters,
    run: RunParameters,
) -> Screened:
    """Score all pairs that are wanted, and keep the best, those above the threshold, and counts of all.

    Parameters
    ----------
    features : ProteinFeatures
        Vectors of the proteins in the pairs.
    queries : DataFrame
        Of `add_queries`.
    known : DataFrame
        Of `clean_known_pairs`.
    model : TrainedModel
        The network, and what is known of its training.
    folder : Path
        What is kept so far: an interrupted screen goes on from there.
    parameters : ScreeningParameters
        Which pairs are scored, and what is kept of them.
    run : RunParameters
        Device, seed, size of scoring batches, and what figures call the data.

    Raises
    ------
    InputError
        The features aren't those that the model reads, a query isn't among them, or the screen would keep too much.
    """
    from esm2_amp.devices import resolve_device
    from esm2_amp.precision import resolve_precision
    from esm2_amp.screening.candidates import calibration_of, log_odds
    from esm2_amp.screening.engine import Work, background_of, screen
    from esm2_amp.screening.inputs import rows_of_known, top_within, trained_proteins, wanted_pairs
    from esm2_amp.screening.kept import Keeping, candidate_pairs
    from esm2_amp.screening.known import studied_watch
    from esm2_amp.screening.sureness import sureness_of

    model.check_features(features)
    calibration_of(model, parameters.prevalence)  # raises before the work
    entries = features.entries
    wanted, names = wanted_pairs(entries, queries, self_pairs=parameters.self_pairs)
    trained, rows = trained_proteins(features, model), rows_of_known(entries, known)
    among_all = parameters.known_among == "all" if parameters.known_among else bool(names)
    watch = studied_watch(rows, wanted, trained, among_all=among_all, of_training=parameters.known_of_training)
    keeping = Keeping(top_within(parameters.top, wanted), log_odds(parameters.threshold), watch)
    logger.info(
        "Screening %s pairs of %s proteins by %s, trained on %s", f"{len(wanted):,}", f"{len(entries):,}",
        model.card.get("name", model.architecture), model.card.get("data", "data that its card doesn't name"),
    )  # fmt: skip
    precision = resolve_precision(parameters.precision, resolve_device(run.device))
    work = Work(model.network, run.device, precision, wanted, keeping)
    table, cluster = features.select(model.network.protein_tokens), Cluster.of(run)
    kept = screen(work, table, folder, parameters, cluster)
    if not kept.n_above:
        best = max(kept.partners()[1][:, 0])
        logger.warning(
            "No pair reaches screening.threshold %g: the highest probability is %.4f; the candidates are the best %s "
            "partners of each alone", parameters.threshold, 1 / (1 + np.exp(-best)), keeping.top,
        )  # fmt: skip
    background = background_of(work, table, kept, folder, parameters, run.seed, cluster) if names else None
    sureness = sureness_of(model, features, table, candidate_pairs(kept), work.scorer.device)
    return Screened(entries, names, wanted, watch, rows, trained, kept, background, precision, sureness)


def list_candidates(
    screened: Screened, model: TrainedModel, parameters: ScreeningParameters
) -> tuple[pd.DataFrame, pd.DataFrame, dict[str, pd.DataFrame], pd.DataFrame, Network, Network]:
    """The candidates as tables and as a network.

    Parameters
    ----------
    screened : Screened
        The finished screen.
    model : TrainedModel
        Its card tells how its logits are calibrated.
    parameters : ScreeningParameters
        Which pairs are scored, and what is kept of them.

    Returns
    -------
    candidates : DataFrame
        Of `esm2_amp.screening.candidates.candidate_table`.
    first : DataFrame
        The best `CSV_ROWS` of them.
    partners : dict of DataFrame
        The partners of each query; none where all proteins are queries.
    proteins : DataFrame
        A row a protein: its scores, and whether the model was trained on it.
    network, edges : Graph
        The best candidates, for GraphML and SIF.
    """
    from esm2_amp.screening.candidates import calibration_of, candidate_table, partners_of_query, protein_table
    from esm2_amp.screening.network import candidate_network

    calibration = calibration_of(model, parameters.prevalence)
    candidates = candidate_table(
        screened.kept,
        screened.entries,
        calibration,
        screened.known,
        screened.trained,
        screened.background,
        screened.sureness,
    )
    partners = {query: partners_of_query(candidates, query) for query in screened.queries}
    unlikeness = None if screened.sureness is None else screened.sureness.unlikeness
    proteins = protein_table(screened.kept, screened.entries, screened.trained, unlikeness)
    network = candidate_network(candidates, proteins, parameters.threshold, parameters.most_edges)
    logger.info("%s candidates; the best: %s", f"{len(candidates):,}", _best(candidates))
    return candidates, candidates.head(CSV_ROWS), partners, proteins, network, network


def measure_screen(
    screened: Screened, candidates: pd.DataFrame, model: TrainedModel, parameters: ScreeningParameters
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame, dict[str, Any]]:
    """How the scores are distributed, how well known pairs are found, and what makes the candidates doubtful.

    Parameters
    ----------
    screened : Screened
        The finished screen.
    candidates : DataFrame
        Of `list_candidates`.
    model : TrainedModel
        The network, and what is known of its training.
    parameters : ScreeningParameters
        Which pairs are scored, and what is kept of them.

    Returns
    -------
    distributions : DataFrame
        `Protein` ("all", or a query), `LogitFrom`, `LogitTo`, `Pairs`: counts of scores in bins; no empty ones.
    known_metrics, known_curves : DataFrame
        Of `esm2_amp.screening.known.KnownPairs`; without rows where no known pair is among those scored.
    summary : dict
        What was screened, by which model, and `cautions`.
    """
    from esm2_amp.screening.candidates import score_distributions
    from esm2_amp.screening.cautions import caution_on_known, cautions
    from esm2_amp.screening.known import KnownPairs, measure_known

    kept, wanted = screened.kept, screened.wanted
    found = measure_known(kept, screened.watch, wanted, parameters.prevalence)
    if found is None:
        found = KnownPairs(pd.DataFrame({"Ranking": []}), pd.DataFrame({"Ranking": []}))
        if len(screened.known):
            logger.warning(
                "None of the %s known pairs is among those that are measured: of %s the model was trained on both "
                "proteins (screening.known_of_training=true counts them, too), others aren't screened",
                f"{len(screened.known):,}", f"{_of_training(screened):,}",
            )  # fmt: skip
    words = cautions(candidates, kept, model.card, len(screened.entries), screened.queries)
    if on_known := caution_on_known(found.metrics):
        words.append(on_known)
    for sentence in words:
        logger.warning("%s", sentence)
    summary = {
        "model": model.card.get("name", model.architecture),
        "trained_on": model.card.get("data", "unknown"),
        "proteins": len(screened.entries),
        "queries": len(screened.queries) or "all",
        "pairs": len(wanted),
        "precision": screened.precision,
        "candidates": len(candidates),
        "threshold": parameters.threshold,
        "pairs_above_threshold": kept.n_above,
        "known_pairs": len(screened.known),
        "known_pairs_screened": len(screened.watch.a),
        "known_pairs_of_training": _of_training(screened),
        "cautions": words,
    }
    return score_distributions(kept, screened.entries, screened.queries), found.metrics, found.curves, summary


def draw_screen(
    distributions: pd.DataFrame, known_curves: pd.DataFrame, network: Network, run: RunParameters
) -> dict[str, Figure]:
    """Figures: the scores of all pairs and of the queries, how known pairs are found, and the strongest candidates.

    Parameters
    ----------
    distributions, known_curves : DataFrame
        Of `measure_screen`.
    network : Graph
        Of `list_candidates`.
    run : RunParameters
        Device, seed, size of scoring batches, and what figures call the data.
    """
    from esm2_amp.screening.figures import distribution_figure, known_figure, network_figure

    figures = {"score_distributions": distribution_figure(distributions)}
    if len(known_curves):
        figures["known_pairs"] = known_figure(known_curves)
    if network.number_of_edges():
        figures["network"] = network_figure(network, seed=run.seed)
    return figures


def report_screen(
    candidates: pd.DataFrame,
    partners: dict[str, pd.DataFrame],
    known_metrics: pd.DataFrame,
    summary: dict[str, Any],
    plots: dict[str, Any],
    parameters: ScreeningParameters,
) -> str:
    """Write one page (HTML) on the screen, which needs nothing but a browser.

    Parameters
    ----------
    candidates, partners
        Of `list_candidates`.
    known_metrics, summary
        Of `measure_screen`.
    plots
        Of `draw_screen`, as PNGs.
    parameters : ScreeningParameters
        Which pairs are scored, and what is kept of them.
    """
    from esm2_amp.report.page import render
    from esm2_amp.report.screening import screening_chapter

    chapter = screening_chapter(candidates, partners, known_metrics, summary, plots, parameters.data_name)
    return render(f"{summary['model']} screens {parameters.data_name}", [chapter])


def _of_training(screened: Screened) -> int:
    """Known pairs of two proteins that the model was trained on."""
    if screened.trained is None:
        return 0
    return int(screened.trained[screened.known].all(axis=1).sum())


def _best(candidates: pd.DataFrame) -> str:
    shown = candidates.head(3).itertuples()
    return "; ".join(f"{row.Protein1} with {row.Protein2} ({row.Probability:.3f})" for row in shown)
