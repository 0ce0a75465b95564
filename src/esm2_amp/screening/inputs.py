"""From names to rows: the pairs that are screened, the known ones among them, and the proteins of the training."""

import logging
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from esm2_amp.errors import InputError
from esm2_amp.features import ProteinFeatures
from esm2_amp.models.storage import SEQUENCE_DIGITS, TrainedModel
from esm2_amp.names import match_names
from esm2_amp.pairs import protein_rows
from esm2_amp.screening.queries import unknown_queries
from esm2_amp.screening.tiles import Rows, WantedPairs

logger = logging.getLogger(__name__)

_IMPORTED: Final = "imported"
"""What stands in the place of an encoder where features were given."""


def wanted_pairs(entries: list[str], queries: pd.DataFrame, *, self_pairs: bool) -> tuple[WantedPairs, list[str]]:
    """The pairs to score, and the queries by the names of the proteins.

    Parameters
    ----------
    entries : list of P str
        The proteins that have features.
    queries : DataFrame
        `Entry` and `InProteome`; without rows, all proteins are paired with all.
    self_pairs : bool
        Whether a protein is paired with itself.

    Returns
    -------
    wanted : WantedPairs
    names : list of str
        None where all proteins are paired with all.

    Raises
    ------
    InputError
        A query isn't among the proteins, or there is no pair.
    """
    names: list[str] = []
    is_query, is_target = np.ones((2, len(entries)), bool)
    if len(queries):
        entry_of = match_names(queries["Entry"], entries)
        if lacks := [name for name in queries["Entry"] if name not in entry_of]:
            raise unknown_queries(lacks, entries, "queries")
        names = [entry_of[name] for name in queries["Entry"]]
        further = [entry_of[name] for name in queries.loc[~queries["InProteome"], "Entry"]]
        is_query, is_target = np.isin(entries, names), ~np.isin(entries, further)
    wanted = WantedPairs.of(is_query, is_target, self_pairs=self_pairs)
    if not len(wanted):
        raise InputError(
            f"A screen needs at least two proteins, got {', '.join(entries)} alone; give the proteome by "
            "--params=proteins=FILE"
        )
    return wanted, names


def top_within(top: int, wanted: WantedPairs) -> int:
    """How many partners are kept: `top`, or as many as a query has, which is logged where they are fewer."""
    most = int(wanted.partners_of()[wanted.queries].max())
    if top > most:
        logger.warning("screening.top is %s, but a protein has %s partners: all of them are kept", top, most)
    return min(top, most)


def trained_proteins(features: ProteinFeatures, model: TrainedModel) -> NDArray[np.bool_] | None:
    """Which proteins a model was trained on, by their sequences: shape (P,), or None where that isn't known."""
    if not model.training_proteins or features.provenance["encoder"] == _IMPORTED:
        return None
    return features.index["key"].str[:SEQUENCE_DIGITS].isin(model.training_proteins).to_numpy(bool, copy=True)


def rows_of_known(entries: list[str], known: pd.DataFrame) -> Rows:
    """Rows of the known pairs of proteins that are there: shape (M, 2), int64.

    Parameters
    ----------
    entries : list of P str
        Names of the proteins.
    known : DataFrame
        `Protein1`, `Protein2`.

    Returns
    -------
    rows : ndarray, shape (M, 2), int64
        The earlier protein first, each pair once, in ascending order.

    Raises
    ------
    InputError
        There are known pairs, but none is of two of the proteins.
    """
    entry_of = match_names(known.to_numpy().ravel(), entries)
    named = known.apply(lambda names: names.map(entry_of)).dropna()
    if len(known) and not len(named):
        raise InputError(
            f"None of the {len(known):,} known pairs is of two of the {len(entries):,} proteins; name proteins alike "
            "in both files"
        )
    return np.unique(np.sort(np.stack(protein_rows(entries, named), axis=1), axis=1), axis=0)
