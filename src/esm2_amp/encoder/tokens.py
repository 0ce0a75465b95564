"""Sequences as ESM-2 token numbers.

ESM-2 has one vocabulary for all its sizes (Lin et al. 2023), so a look-up of bytes in a constant table replaces a
tokenizer call per sequence.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from esm2_amp.protein import RESIDUES

VOCABULARY: Final = (
    *("<cls>", "<pad>", "<eos>", "<unk>"),
    *"LAGVSERTIDPKQNFYMHWCXBUZO",
    *(".", "-", "<null_1>", "<mask>"),
)
CLS, PAD, EOS, UNKNOWN, MASK = (VOCABULARY.index(t) for t in ("<cls>", "<pad>", "<eos>", "<unk>", "<mask>"))

_TOKEN_OF_BYTE = np.full(256, UNKNOWN, dtype=np.uint8)
for _letter in RESIDUES:
    _TOKEN_OF_BYTE[ord(_letter)] = VOCABULARY.index(_letter)


def encode(sequence: str) -> NDArray[np.uint8]:
    """Token numbers of one protein, `<cls> s1 … sL <eos>`.

    Parameters
    ----------
    sequence : str of length L
        Upper-case residues, all of them in `RESIDUES`.

    Returns
    -------
    tokens : ndarray, shape (L + 2,), uint8
        Positions in `VOCABULARY`.
    """
    tokens = np.empty(len(sequence) + 2, dtype=np.uint8)
    tokens[0], tokens[-1] = CLS, EOS
    tokens[1:-1] = _TOKEN_OF_BYTE[np.frombuffer(sequence.encode("ascii"), dtype=np.uint8)]
    return tokens
