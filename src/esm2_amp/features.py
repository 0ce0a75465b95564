"""The vectors of proteins as the models read them: an index in memory, the numbers on disk until asked for."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from esm2_amp.checked_tensors import check_file
from esm2_amp.errors import InputError
from esm2_amp.protein import TOKENS

FEATURE = "feature"
"""Name of the array in a shard."""

_REMEDIES = {
    ("mean",): "mean vectors, as in UniProt's per-protein.h5, are all that ESM2_DPM reads: train it alone on the "
    "features and pairs now stored (`kedro run --pipeline=model_training --namespaces=ESM2_DPM`), or name it as "
    "model=ESM2_DPM; for other models give the sequences (--params=proteins=FILE) in place of features"
}
"""What to do where imported features lack vectors that a model reads, by the tokens that they hold."""


@dataclass(frozen=True)
class ProteinFeatures:
    """13 vectors of each of P proteins, read from their shards token by token group.

    Attributes
    ----------
    index : DataFrame, P rows
        `Entry`; `key` (SHA-256 of the sequence, or of the entry's name for imported features); `length` in residues
        (0 when unknown); `windows` the encoder saw it in; `shard` and `row` where its vectors lie.
    folder : Path
        Where the shards are.
    width : int
        D.
    provenance : dict
        The encoder's source and fingerprint, and the options of the extraction; for imported features also the
        `tokens` that they hold.
    """

    index: pd.DataFrame
    folder: Path
    width: int
    provenance: dict[str, Any]

    @property
    def entries(self) -> list[str]:
        """Identifiers of the P proteins, in the order of the rows of `select`."""
        return self.index["Entry"].tolist()

    def select(self, tokens: slice, rows: Sequence[int] | None = None) -> Tensor:
        """The vectors of some tokens, of all proteins or of some.

        Parameters
        ----------
        tokens : slice
            Of the 13, in the order of `esm2_amp.protein.TOKENS`.
        rows : sequence of int, optional
            Rows of the index; all by default.

        Returns
        -------
        table : Tensor, shape (rows, tokens, D), float32 or float16
            As stored.

        Raises
        ------
        InputError
            The features were imported without some of these tokens, or a shard is gone or damaged.
        """
        names, held = TOKENS[tokens], tuple(self.provenance.get("tokens", TOKENS))
        if not set(names).issubset(held):
            raise InputError(
                f"The vectors {', '.join(names)} of each protein are needed, but the imported features hold only "
                f"{', '.join(held)}; {_REMEDIES.get(held, 'choose another model, or a file that holds them')}"
            )
        wanted = (self.index if rows is None else self.index.iloc[list(rows)]).reset_index(drop=True)
        dtype = self._vectors(self.index["shard"].iloc[0]).dtype
        table = torch.empty(len(wanted), len(TOKENS[tokens]), self.width, dtype=dtype)
        for shard, part in wanted.groupby("shard", sort=False):
            vectors = self._vectors(str(shard))
            first = (held if vectors.shape[1] == len(held) else TOKENS).index(names[0])  # shards may hold all 13
            vectors = vectors[:, first : first + len(names)]
            for to, row in zip(part.index, part["row"], strict=True):
                table[to] = vectors[row]  # one by one: a shard may hold all proteins, and an index would copy them
        return table

    def _vectors(self, shard: str) -> Tensor:
        """A view of a shard's file: (rows, tokens, D)."""
        file = self.folder / shard
        if not file.exists():
            raise InputError(f"{file} is listed in the index of the features but missing; extract them again")
        try:
            with safe_open(file, framework="pt") as stored:
                vectors: Tensor = stored.get_tensor(FEATURE)
            check_file(file)
        except SafetensorError as error:
            raise InputError(
                f"{file} is damaged ({error}); delete it, and extract the features again: only its proteins are "
                "embedded anew"
            ) from error
        return vectors
