"""Which pairs are screened, and in which tiles: rows × columns of the table of proteins, each pair in one tile."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.int64]

PAIRS_OF_A_TILE: Final = 1 << 16
"""Pairs of a tile by default: seconds of work."""

BYTES_OF_A_SIDE: Final = 1 << 28
"""What the prepared proteins of one side of a tile may fill."""


class Tile(NamedTuple):
    """Some queries and some targets, as slices of `WantedPairs.queries` and `WantedPairs.targets`."""

    rows: slice
    columns: slice


@dataclass(frozen=True)
class WantedPairs:
    """The pairs that are screened, as rows of a table of P proteins.

    A pair is of a query and a target. It is one pair in either order, and stands where its query comes first in the
    table where both proteins are queries and targets.

    Attributes
    ----------
    queries, targets : ndarray, shape (Q,) and (R,), int64
        Rows of the table, ascending.
    is_query, is_target : ndarray, shape (P,), bool
        The same as masks.
    self_pairs : bool
        Whether a protein is paired with itself.
    """

    queries: Rows
    targets: Rows
    is_query: NDArray[np.bool_]
    is_target: NDArray[np.bool_]
    self_pairs: bool

    @classmethod
    def of(cls, is_query: NDArray[np.bool_], is_target: NDArray[np.bool_], *, self_pairs: bool) -> Self:
        """The pairs of queries and targets, which are given as masks of shape (P,)."""
        return cls(np.flatnonzero(is_query), np.flatnonzero(is_target), is_query, is_target, self_pairs)

    def __len__(self) -> int:
        both = int((self.is_query & self.is_target).sum())
        n_in_both = both * (both - 1) // 2 + both * self.self_pairs
        return n_in_both + len(self.queries) * len(self.targets) - both * both

    def partners_of(self) -> NDArray[np.int64]:
        """How many pairs each protein is in: shape (P,), a pair with itself counts once."""
        n_queries, n_targets = len(self.queries), len(self.targets)
        both = int((self.is_query & self.is_target).sum())
        once = self.is_query * n_targets + self.is_target * n_queries
        in_both = self.is_query & self.is_target
        return np.where(in_both, n_targets + n_queries - both - (not self.self_pairs), once)

    def has(self, a: Rows, b: Rows) -> NDArray[np.bool_]:
        """Which of the pairs of these rows, in either order, are screened: shape (B,)."""
        asked = (self.is_query[a] & self.is_target[b]) | (self.is_query[b] & self.is_target[a])
        found: NDArray[np.bool_] = asked & ((a != b) | self.self_pairs)
        return found

    def mask(self, tile: Tile) -> NDArray[np.bool_]:
        """Which pairs of a tile are screened there: shape (r, c)."""
        rows, columns = self.queries[tile.rows, None], self.targets[None, tile.columns]
        stands_elsewhere = self.is_target[rows] & self.is_query[columns] & (columns < rows)
        mask: NDArray[np.bool_] = ~stands_elsewhere & ((rows != columns) | self.self_pairs)
        return mask

    def tiles(self, shape: tuple[int, int]) -> Iterator[Tile]:
        """Tiles of at most (r, c) proteins that hold all pairs, row of tiles by row of tiles; none without a pair."""
        for row in range(0, len(self.queries), shape[0]):
            for column in range(0, len(self.targets), shape[1]):
                tile = Tile(slice(row, row + shape[0]), slice(column, column + shape[1]))
                if self.mask(tile).any():
                    yield tile


def tile_shape(wanted: WantedPairs, bytes_per_protein: int, pairs: int = PAIRS_OF_A_TILE) -> tuple[int, int]:
    """How many queries and targets a tile has: as square as the queries allow.

    It depends on the network and the pairs alone, not on the machine, so that scores don't change with it.

    Parameters
    ----------
    wanted : WantedPairs
        The pairs that are scored.
    bytes_per_protein : int
        What a prepared protein fills; one side of a tile stays below `BYTES_OF_A_SIDE`.
    pairs : int
        Of a tile.
    """
    most = max(1, BYTES_OF_A_SIDE // bytes_per_protein)
    rows = min(max(1, int(pairs**0.5)), most, len(wanted.queries))
    return rows, min(max(1, pairs // rows), most, len(wanted.targets))


def sub_grids(mask: NDArray[np.bool_], pairs: int) -> list[tuple[slice, slice]]:
    """Parts of a tile that are scored at once: at most so many pairs each, and none without a wanted pair."""
    columns = min(mask.shape[1], max(1, pairs))
    rows = max(1, pairs // columns)
    parts = [
        (slice(row, row + rows), slice(column, column + columns))
        for row in range(0, mask.shape[0], rows)
        for column in range(0, mask.shape[1], columns)
    ]
    return [part for part in parts if mask[part].any()]
