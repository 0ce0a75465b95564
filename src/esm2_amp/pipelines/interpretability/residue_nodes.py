"""Nodes of `interpretability` on residues: what each adds to a score, and whether changed sequences say the same."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pandas as pd

from esm2_amp.cluster import Cluster
from esm2_amp.parameters.interpretability import InterpretabilityParameters
from esm2_amp.parameters.model_training import ModelParameters
from esm2_amp.parameters.run import RunParameters
from esm2_amp.pipelines.types import (
    Encoder,
    GradientPath,
    ProteinFeatures,
    ResidueSource,
    TrainedModel,
)

logger = logging.getLogger(__name__)

RESIDUES: Final = "residues"
AVERAGED_RESIDUES: Final = "residues, averaged with their neighbours"
CHANGED_SEQUENCE: Final = "changed sequence"
"""What profiles of residues are called: by Integrated Gradients, as they are and smoothed, and those of a scan."""

Masked = tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame, pd.DataFrame]
"""What `mask_residues` returns."""


def residue_source(
    features: ProteinFeatures, proteins: pd.DataFrame, encoder: Callable[[], Encoder], run: RunParameters
) -> ResidueSource | None:
    """The sequences and the encoder that features come from; None where these were given in place of sequences."""
    from esm2_amp.devices import resolve_device
    from esm2_amp.explanation.residues import ResidueSource

    if proteins.empty:
        logger.info("Residues aren't explained, since features are given in place of sequences")
        return None
    return ResidueSource.of(features, proteins, encoder(), resolve_device(run.device))


def explain_residues(
    explained: pd.DataFrame,
    paths: tuple[GradientPath, ...],
    proteins: pd.DataFrame,
    encoder: Callable[[], Encoder],
    scans: Path,
    settings: ModelParameters,
    parameters: InterpretabilityParameters,
    run: RunParameters,
) -> tuple[pd.DataFrame, pd.DataFrame, dict[str, Any]]:
    """Split what each token adds to a score among its residues, and scan some pairs by changing their sequences.

    A segment is the mean of its residues, so that its Integrated Gradients go on to them exactly (METHOD section 10).
    The scan replaces windows of residues in true positives, embeds the changed proteins, and scores the pairs again.

    Parameters
    ----------
    explained : DataFrame
        `explained_pairs`.
    paths : tuple of GradientPath
        Of `explain_pairs`.
    proteins : DataFrame
        `Entry`, `Sequence`; empty where features are given in their place, which have no residues.
    encoder : callable
        Loads the encoder.
    scans : Path
        Folder of all models; `<model>/explanation/scans` in it has finished scans, from which an interrupted run goes
        on.
    settings : ModelParameters
        Of the explained model.
    parameters : InterpretabilityParameters
        Which pairs are explained, and how.
    run : RunParameters
        Device, seed, size of scoring batches, and what figures call the data.

    Returns
    -------
    residues : DataFrame
        Of `esm2_amp.explanation.residue_tables.residue_table`; empty where residues can't be explained. `ScanEffect` is
        NaN for pairs that weren't scanned.
    windows : DataFrame
        Of `esm2_amp.explanation.residue_tables.strongest_windows`.
    check : dict
        How well residues add up to tokens.
    """
    from esm2_amp.explanation import residue_tables
    from esm2_amp.explanation.mutation_scan import ScanStore, scan_some, scannable
    from esm2_amp.explanation.rescoring import Rescorer
    from esm2_amp.explanation.residues import residue_attributions
    from esm2_amp.explanation.selection import likely_positives

    source = residue_source(paths[0].features, proteins, encoder, run) if paths else None
    if source is None:
        return *residue_tables.no_residues(), {}
    (path,) = paths
    options = parameters.residues
    found = residue_attributions(path.attributions, explained, path.pairs, path.baseline, path.network, source)
    rows = scannable(found.values, options.scan.window, options.scanned_up_to)
    rows = rows[likely_positives(explained.iloc[rows], options.scanned_pairs, run.seed)]
    rescorer = Rescorer.of(path.network, explained.iloc[rows], path.pairs.only(rows), source, parameters.batch_size)
    store = ScanStore(scans / settings.network.architecture / "explanation/scans")
    effects = scan_some(rows, found.values, rescorer, options.scan, seed=run.seed, store=store, cluster=Cluster.of(run))
    table = residue_tables.residue_table(explained, source.sequences, found.values, effects)
    return table, residue_tables.strongest_windows(table, options.window, options.windows), found.summary()


def mask_residues(
    explained: pd.DataFrame,
    residues: pd.DataFrame,
    features: ProteinFeatures,
    model: TrainedModel,
    proteins: pd.DataFrame,
    encoder: Callable[[], Encoder],
    parameters: InterpretabilityParameters,
    run: RunParameters,
) -> Masked:
    """Ask whether the score rests on the residues named first: mask them, and as many in random windows.

    Done with the pairs that were scanned, and in the order of either measure of a residue. The order of the scan is
    found by masking itself, so that it says how far the logit can be brought down.

    Parameters
    ----------
    explained : DataFrame
        `explained_pairs`.
    residues : DataFrame
        Of `explain_residues`.
    features : ProteinFeatures
        Vectors of the proteins in the pairs.
    model : TrainedModel
        The explained model.
    proteins : DataFrame
        `Entry`, `Sequence`.
    encoder : callable
        Loads the encoder.
    parameters : InterpretabilityParameters
        Which pairs are explained, and how.
    run : RunParameters
        Device, seed, size of scoring batches, and what figures call the data.

    Returns
    -------
    areas, curves, of_pairs : DataFrame
        Of `esm2_amp.explanation.residue_deletion.ResidueDeletion`; empty where no pair was scanned.
    agreement : DataFrame
        Of `esm2_amp.explanation.residue_tables.compare_measures`: whether both measures point at the same residues.
    """
    from esm2_amp.explanation.residue_tables import scanned_pairs

    pairs = explained.merge(scanned_pairs(residues), on=["Protein1", "Protein2"])
    return mask_scanned(pairs, residues, (model, features), (proteins, encoder), parameters, run)


def mask_scanned(
    pairs: pd.DataFrame,
    residues: pd.DataFrame,
    read: tuple[TrainedModel, ProteinFeatures],
    embedded: tuple[pd.DataFrame, Callable[[], Encoder]],
    parameters: InterpretabilityParameters,
    run: RunParameters,
) -> Masked:
    """As `mask_residues`, of the pairs that were scanned.

    Parameters
    ----------
    pairs : DataFrame
        `Protein1`, `Protein2` of the pairs that were scanned.
    residues : DataFrame
        Of these pairs, and of others.
    read : tuple of TrainedModel and ProteinFeatures
        The explained model, and the features that it reads.
    embedded : tuple of DataFrame and callable
        Sequences, and what loads their encoder.
    parameters, run
        As of `mask_residues`.
    """
    from esm2_amp.explanation.rescoring import Rescorer
    from esm2_amp.explanation.residue_deletion import no_deletion, residue_deletion
    from esm2_amp.explanation.residue_tables import MEASURE_NAMES, compare_measures, profiles_of

    agreement = compare_measures(residues, parameters.residues.smoothing)
    model, features = read
    source = residue_source(features, *embedded, run) if len(pairs) else None
    if source is None:
        return *no_deletion(), agreement
    rescorer = Rescorer.of(model.network, pairs, model.pairs(features, pairs), source, parameters.batch_size)
    found = residue_deletion(
        {measure: profiles_of(residues, pairs, measure) for measure in MEASURE_NAMES},
        rescorer,
        parameters.residues.fractions,
        random_windows=parameters.residues.random_windows,
        seed=run.seed,
    )
    return *found, agreement


def check_planted_residues(
    explained: pd.DataFrame,
    residues: pd.DataFrame,
    sites: pd.DataFrame | None,
    parameters: InterpretabilityParameters,
) -> pd.DataFrame:
    """Where it is known which residues make two proteins interact, ask how often the measures of residues find them.

    Parameters
    ----------
    explained : DataFrame
        `explained_pairs`.
    residues : DataFrame
        Of `explain_residues`.
    sites : DataFrame, optional
        Planted sites of synthetic proteins.
    parameters : InterpretabilityParameters
        Which pairs are explained, and how.

    Returns
    -------
    planted : DataFrame
        Of `esm2_amp.explanation.planted_residues.planted_residues`, with the scan of the pairs that were scanned; no
        rows without known sites or residues.
    """
    from esm2_amp.explanation.planted_residues import COLUMNS, planted_residues
    from esm2_amp.explanation.residue_tables import profiles_of, scanned_pairs
    from esm2_amp.explanation.residues import averaged

    if residues.empty or sites is None or "Start" not in sites:
        return pd.DataFrame(columns=COLUMNS)
    options, values = parameters.residues, profiles_of(residues, explained, "Attribution")
    scanned = explained.merge(scanned_pairs(residues), on=["Protein1", "Protein2"])
    views = {
        RESIDUES: (explained, values),
        AVERAGED_RESIDUES: (explained, averaged(values, options.smoothing)),
        CHANGED_SEQUENCE: (scanned, profiles_of(residues, scanned, "ScanEffect")),
    }
    sizes = {"top": options.top, "near": options.near, "smoothing": options.smoothing}
    tables = [planted_residues({name: profiles}, pairs, sites, **sizes) for name, (pairs, profiles) in views.items()]
    return pd.concat([table for table in tables if len(table)] or tables[:1], ignore_index=True)
