"""What chance gives: regions turned around their proteins, p-values of such draws, and verdicts on them.

P-values are two-sided permutation p-values that count the observed arrangement (Phipson and Smyth 2010), q-values are
Benjamini and Hochberg's over the types of region. Intervals are the middle of bootstrap replicates over proteins.
"""

import logging
import warnings
from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import false_discovery_control

from esm2_amp.progress import Progress

logger = logging.getLogger(__name__)

Floats = NDArray[np.float64]

SHIFTED_REGIONS: Final = "shifted regions"
ENRICHED, DEPLETED, NO_DIFFERENCE, NOT_ANNOTATED = "enriched", "depleted", "no difference", "not annotated"

CONFIDENCE: Final = 0.95
_ROUNDING = 1e-9


class Null(NamedTuple):
    """What chance gives.

    Attributes
    ----------
    expected : ndarray, shape (selections, P, K)
        Expected sum of coverage of each protein.
    drawn : ndarray, shape (selections, R, K)
        Sums over all proteins in R draws.
    """

    expected: Floats
    drawn: Floats


def shift_regions(
    weights: Sequence[Floats],
    annotated: Sequence[NDArray[np.bool_]],
    permutations: int,
    generator: np.random.Generator,
) -> Null:
    """Turn the regions of each protein, closed to a circle; all its turns are computed once, of which draws take one.

    Parameters
    ----------
    weights : sequence of P ndarray, each of shape (selections, L)
        What an annotated residue of the protein adds.
    annotated : sequence of P ndarray, each of shape (K, L), bool
        Whether a residue is in a region of each type.
    permutations : int
        Number of draws, R.
    generator : numpy Generator
        Draws the turns.

    Returns
    -------
    null : Null
        Expected sums over the annotated residues of each protein, and sums over all proteins in the draws.
    """
    n_selections, n_types = len(weights[0]), len(annotated[0])
    expected = np.zeros((n_selections, len(weights), n_types))
    drawn = np.zeros((n_selections, permutations, n_types))
    progress = Progress(logger, "shifting regions, proteins", len(weights))
    for protein, (of_residues, flags) in progress.over(enumerate(zip(weights, annotated, strict=True))):
        if not flags.any():
            continue
        sums = sums_by_shift(of_residues, flags)
        expected[:, protein] = sums.mean(axis=1)
        drawn += sums[:, generator.integers(sums.shape[1], size=permutations)]
    return Null(expected, drawn)


def sums_by_shift(weights: Floats, annotated: NDArray[np.bool_]) -> Floats:
    """Sums of the weights of annotated residues after each turn of the regions.

    Parameters
    ----------
    weights : ndarray, shape (selections, L), float64
        What an annotated residue adds.
    annotated : ndarray, shape (K, L), bool
        Whether a residue is in a region of each type.

    Returns
    -------
    sums : ndarray, shape (selections, L, K), float64
        After turns by 0 to L − 1 residues towards the beginning of the protein. They are circular correlations, for
        which the transforms of Fourier take L log L steps in place of L².
    """
    turned = np.fft.rfft(annotated.astype(np.float64))[None] * np.fft.rfft(weights).conj()[:, None]
    return np.asarray(np.swapaxes(np.fft.irfft(turned, n=annotated.shape[1]), 1, 2))


def ratio(mean: Floats, reference: Floats) -> Floats:
    """The mean as a multiple of the reference; infinite where only the reference is 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(mean / reference)


def interval(replicates: Floats) -> Floats:
    """Limits of the middle `CONFIDENCE` of the replicates that are defined; NaN where none is."""
    tails = (1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2
    with warnings.catch_warnings(action="ignore", category=RuntimeWarning):  # a column of NaN has limits of NaN
        # without interpolation, which an infinite ratio doesn't allow
        return np.asarray(np.nanquantile(replicates, tails, axis=0, method="inverted_cdf"))


def two_sided(observed: Floats, drawn: Floats) -> Floats:
    """Two-sided p-values of observed sums, shape (K,), among R draws, shape (R, K); rounding parts no equal sums."""
    slack = _ROUNDING * (1 + np.abs(observed))
    draws = len(drawn)
    tails = [(1 + (side * drawn >= side * observed - slack).sum(axis=0)) / (1 + draws) for side in (1, -1)]
    return np.asarray(np.minimum(1, 2 * np.minimum(*tails)))


def decided(table: pd.DataFrame, annotated: pd.Series, difference: pd.Series, level: float) -> pd.DataFrame:
    """The table with q-values, `Q`, and verdicts, `Verdict`.

    Parameters
    ----------
    table : DataFrame, K rows
        With `P`, of K types of region.
    annotated : Series, shape (K,), bool
        Whether the proteins have regions of the type; others aren't tested.
    difference : Series, shape (K,)
        Positive where there is more than by chance.
    level : float
        The highest q-value of a type that is called enriched or depleted.
    """
    p = table["P"].where(annotated)
    q = pd.Series(np.nan, index=table.index)
    if annotated.any():
        q[annotated] = false_discovery_control(p[annotated], method="bh")
    called = np.where(difference > 0, ENRICHED, DEPLETED)
    verdict = np.where(q <= level, called, NO_DIFFERENCE)
    return table.assign(P=p, Q=q, Verdict=np.where(annotated, verdict, NOT_ANNOTATED))
