"""Pairs of proteins over one table of vectors: what training, scoring and explaining read alike.

No feature of a pair is ever written out. A pair is two rows of a table of protein vectors, and its tokens are gathered
batch by batch, on the device that the table is on.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, Protocol, Self

import numpy as np
import pandas as pd
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from esm2_amp.errors import InputError

_ROWS_AT_ONCE: Final = 1_000_000
"""Rows of a table that are text at once."""


class ProteinVectors(Protocol):
    """Vectors of P proteins by name, such as `esm2_amp.features.ProteinFeatures`."""

    @property
    def entries(self) -> list[str]:
        """Identifiers of the P proteins, each once."""

    def select(self, tokens: slice, rows: Sequence[int] | None = None) -> Tensor:
        """The vectors of some tokens, of all proteins or of some rows: shape (P or rows, tokens, D)."""


@dataclass(frozen=True)
class Pairs:
    """B pairs as rows of a table that holds the vectors of their proteins, and of no others.

    Attributes
    ----------
    table : Tensor, shape (P, T / 2, D), float32 or float16
        The vectors of each protein that a network reads.
    a, b : Tensor, shape (B,), int64
        Rows of the partners in the table.
    label : Tensor, shape (B,), float32, optional
        1 for interacting pairs, 0 for others; None where labels aren't known.
    """

    table: Tensor
    a: Tensor
    b: Tensor
    label: Tensor | None = None

    @classmethod
    def of(cls, vectors: ProteinVectors, pairs: pd.DataFrame, protein_tokens: slice) -> Self:
        """Look the pairs' proteins up by name, and load the vectors of those in use.

        Parameters
        ----------
        vectors : ProteinVectors
            Vectors of proteins by name.
        pairs : DataFrame, B rows
            `Protein1`, `Protein2` and, where labels are known, `label`.
        protein_tokens : slice
            Which of a protein's vectors the network reads.

        Raises
        ------
        InputError
            A pair names a protein that has no vectors.
        """
        rows = np.stack(protein_rows(vectors.entries, pairs), axis=1)  # (B, 2)
        used = np.flatnonzero(np.bincount(rows.ravel(), minlength=len(vectors.entries)))
        in_table = np.empty(len(vectors.entries), dtype=np.int64)
        in_table[used] = np.arange(len(used))
        a, b = torch.from_numpy(in_table[rows]).unbind(dim=1)
        label = torch.tensor(pairs["label"].to_numpy("float32")) if "label" in pairs else None
        return cls(vectors.select(protein_tokens, used.tolist()), a.contiguous(), b.contiguous(), label)

    @classmethod
    def of_rows(cls, table: Tensor, a: ArrayLike, b: ArrayLike, label: ArrayLike | None = None) -> Self:
        """Pairs of these rows of a table."""
        of_a, of_b = (torch.tensor(np.asarray(rows, dtype=np.int64)) for rows in (a, b))
        return cls(table, of_a, of_b, None if label is None else torch.tensor(np.asarray(label, dtype=np.float32)))

    def __len__(self) -> int:
        return len(self.a)

    def take(self, rows: ArrayLike | Tensor) -> Self:
        """The pairs of these numbers, or where a mask is true, over the same table."""
        at = rows if isinstance(rows, Tensor) else torch.tensor(np.asarray(rows))
        return replace(self, a=self.a[at], b=self.b[at], label=None if self.label is None else self.label[at])

    def only(self, rows: ArrayLike | Tensor) -> Self:
        """The pairs of these numbers over a table of their proteins alone, in the order of the table."""
        taken = self.take(rows)
        used, in_table = torch.unique(torch.stack([taken.a, taken.b]), return_inverse=True)
        return replace(taken, table=self.table[used], a=in_table[0], b=in_table[1])

    def swapped(self) -> Self:
        """The same pairs with the partners exchanged."""
        return replace(self, a=self.b, b=self.a)

    def to(self, device: torch.device) -> Self:
        """The same pairs with the table and the rows on a device."""
        return replace(self, table=self.table.to(device), a=self.a.to(device), b=self.b.to(device))

    def batches(self, size: int) -> tuple[Tensor, ...]:
        """Numbers of the pairs, in order, in batches of at most `size`."""
        return tuple(torch.arange(len(self)).split(size))

    def average_protein(self) -> Tensor:
        """The mean vectors of the partners, each counted as often as it stands in pairs: shape (T / 2, D), float32."""
        count = torch.bincount(torch.cat([self.a, self.b]), minlength=len(self.table)).double()
        of_tokens = [count @ self.table[:, token].double() for token in range(self.table.shape[1])]
        return (torch.stack(of_tokens) / count.sum()).float()

    def tokens(self, rows: Tensor | slice = slice(None)) -> Tensor:
        """Tokens of the pairs of these numbers, A's before B's: shape (rows, T, D), float32, on the table's device."""
        return pair_tokens(self.table, self.a[rows], self.b[rows])


def pair_tokens(table: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """Tokens of pairs, A's before B's.

    Parameters
    ----------
    table : Tensor, shape (P, T / 2, D), float
        The vectors of each protein that a network reads.
    a, b : Tensor, shape (B,), int64
        Rows of the partners, on the table's device.

    Returns
    -------
    tokens : Tensor, shape (B, T, D), float32, or float64 where the table is
    """
    _, half, width = table.shape
    rows = torch.stack((a, b), dim=1).flatten()  # (2 B,)
    tokens = table.index_select(0, rows).view(len(a), 2 * half, width)
    return tokens.to(torch.promote_types(table.dtype, torch.float32))


def protein_rows(entries: Sequence[str], pairs: pd.DataFrame) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows of both partners of each pair among the proteins, found by their whole names.

    Parameters
    ----------
    entries : sequence of P str
        Each once.
    pairs : DataFrame, B rows
        `Protein1`, `Protein2`.

    Returns
    -------
    a, b : ndarray, shape (B,), int64

    Raises
    ------
    InputError
        A pair names a protein that isn't among them.
    """
    known = pd.Index(entries)
    a, b = (known.get_indexer(pd.Index(pairs[name])).astype(np.int64) for name in ("Protein1", "Protein2"))
    for name, rows in (("Protein1", a), ("Protein2", b)):
        if (missing := rows < 0).any():
            protein = pairs[name].to_numpy()[missing][0]
            raise InputError(
                f"Every pair must be of proteins that have features, but {name} {protein!r} has none "
                f"({missing.sum():,} such pairs): the pairs were built for other protein features than those stored "
                "now; run `kedro run --pipeline=pair_building` (or training) again"
            )
    return a, b


def hash_pair_table(pairs: pd.DataFrame) -> str:
    """SHA-256 of pairs with their labels and splits, whatever features they point into.

    Parameters
    ----------
    pairs : DataFrame
        `Protein1`, `Protein2`, `label`, `split`.
    """
    named, digest = pairs[["Protein1", "Protein2", "label", "split"]], hashlib.sha256()
    for start in range(0, max(1, len(named)), _ROWS_AT_ONCE):
        part = named.iloc[start : start + _ROWS_AT_ONCE]
        digest.update(part.to_csv(index=False, header=start == 0).encode())
    return digest.hexdigest()


def hash_pairs(*parts: Pairs) -> str:
    """SHA-256 of pairs, labels and vectors: whether two fits saw the same data. The parts share one table."""
    columns = [column for pairs in parts for column in (pairs.a, pairs.b, pairs.label) if column is not None]
    return hash_tensors(*columns, parts[0].table)


def hash_tensors(*tensors: Tensor) -> str:
    """SHA-256 of shapes and values: whether two fits saw the same data."""
    digest = hashlib.sha256()
    for tensor in tensors:
        digest.update(f"{tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.contiguous().numpy().data)
    return digest.hexdigest()
