"""The vocabulary of proteins: residues, segments, and the tokens that stand for a protein or a pair."""

from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

STANDARD_RESIDUES: Final = "LAGVSERTIDPKQNFYMHWC"
"""The 20 standard amino acids, in the order of the vocabulary."""

RESIDUES: Final = STANDARD_RESIDUES + "XBUZO"
"""Letters a sequence may hold: the standard amino acids, X (any), B, Z (ambiguous), U and O (rare)."""

AMINO_ACID_PERCENT: Final = {
    "A": 8.25, "R": 5.53, "N": 4.06, "D": 5.46, "C": 1.38, "Q": 3.93, "E": 6.72, "G": 7.07, "H": 2.27, "I": 5.91,
    "L": 9.65, "K": 5.80, "M": 2.41, "F": 3.86, "P": 4.74, "S": 6.64, "T": 5.35, "W": 1.10, "Y": 2.92, "V": 6.86,
}  # fmt: skip
"""Amino-acid composition of UniProtKB/Swiss-Prot in percent, from its release statistics
(web.expasy.org/docs/relnotes/relstat.html, section 'Amino acid composition')."""

N_SEGMENTS: Final = 10
SEGMENTS: Final = slice(1, 1 + N_SEGMENTS)
"""The segments among `TOKENS`."""

TOKENS: Final[tuple[str, ...]] = ("cls", *(f"segment{s}" for s in range(N_SEGMENTS)), "eos", "mean")
"""Names of a protein's vectors, in the order in which they are kept."""

SIDES: Final = "AB"
"""The partners of a pair: A is the column `Protein1`, B `Protein2`."""


def segment_bounds(lengths: ArrayLike) -> NDArray[np.int64]:
    """Where the 10 segments of each protein begin and end.

    Parameters
    ----------
    lengths : array_like of int, shape (P,)
        Residues of each protein.

    Returns
    -------
    bounds : ndarray, shape (P, 11), int64
        Segment s of protein p holds the residues `bounds[p, s]` to `bounds[p, s + 1]`, 0-based and half-open. The
        first `length % 10` segments are one residue longer than the others.
    """
    base, longer = np.divmod(np.asarray(lengths, dtype=np.int64)[..., None], N_SEGMENTS)
    segments = np.arange(N_SEGMENTS + 1)
    return base * segments + np.minimum(segments, longer)


def pair_token_names(protein_tokens: slice) -> list[str]:
    """Names of the T tokens of a pair in the order a network reads them: `A_segment0` … `B_segment9`.

    Parameters
    ----------
    protein_tokens : slice
        Which of a protein's 13 vectors the network reads, an attribute of its class.
    """
    return [f"{side}_{token}" for side in SIDES for token in TOKENS[protein_tokens]]


def window_starts(length: int, window: int, overlap: int) -> list[int]:
    """Where the windows of a protein begin.

    Parameters
    ----------
    length : int
        Residues of the protein.
    window : int
        Residues of a window.
    overlap : int
        Residues that neighbouring windows share, fewer than `window`.

    Returns
    -------
    starts : list of int
        0-based first residues, increasing. The last window ends with the protein, so it may share more with the one
        before. A protein no longer than `window` has one window.
    """
    last = max(0, length - window)
    return [*range(0, last, window - overlap), last]
