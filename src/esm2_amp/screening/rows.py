"""Pairs one by one, as a file lists them, by the scorers of the screen: what pairs have in common is computed once."""

from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from esm2_amp.devices import side_by_side
from esm2_amp.models.base import PairNetwork
from esm2_amp.models.scoring import PairScores
from esm2_amp.pairs import hash_tensors
from esm2_amp.screening.engine import MANY_THREADS, prepare_all
from esm2_amp.screening.scorers import Prepared, pairs_at_once, scorer_of

PREPARED_BYTES: Final = 1 << 30
"""What prepared proteins may fill. Where all of them would fill more, those of some pairs are prepared at a time."""

_PART_FLOATS: Final = 1 << 28
_PART_ROWS: Final = (1 << 10, 1 << 16)
"""The fewest and the most pairs of a part; between them, as many as fill `_PART_FLOATS` numbers while scored."""


class RowScorer:
    """Scores pairs in their order, by parts that have the same logits whatever else is scored, on however many threads.

    Parameters
    ----------
    network : PairNetwork
        The model, which is moved to the device and set to eval mode.
    table : Tensor, shape (P, T / 2, D), float32 or float16
        The vectors of each protein that the network reads.
    device : torch.device
        Where the pairs are scored.

    Attributes
    ----------
    part_rows : int
        Pairs of a part: about the work that is lost where a run is killed.
    members : int
        How many networks score each pair: of an ensemble its members, else one.
    symmetric : bool
        Whether swapping the partners leaves the logit as it is.
    fingerprint : str
        Of the network, the vectors and the kind of device, which with the pairs decide the logits.
    network, table
        As given.
    """

    def __init__(self, network: PairNetwork, table: Tensor, device: torch.device) -> None:
        self.network, self.table, self._scorer = network, table, scorer_of(network.to(device))
        digest = hash_tensors(table, *(weight.cpu() for weight in network.state_dict().values()))
        self.fingerprint = f"{type(network).__name__} {device.type} {digest}"
        self.members, self.symmetric = self._scorer.members, self._scorer.symmetric
        fewest, most = _PART_ROWS
        self.part_rows = min(most, max(fewest, _PART_FLOATS // self._scorer.floats_per_pair))
        fitting = PREPARED_BYTES // (4 * self._scorer.floats_per_protein)
        self._all_fit, self._rows_that_fit = len(table) <= fitting, max(1, fitting // 2)
        self._prepared: Prepared | None = None

    def scores(
        self, a: NDArray[np.int64], b: NDArray[np.int64], count: Callable[[int], None] = lambda rows: None
    ) -> PairScores:
        """Scores of r pairs, each read in its one order, A before B.

        Parameters
        ----------
        a, b : ndarray, shape (r,), int64
            Rows of the partners in the table.
        count : callable
            Is called with the number of pairs that have been scored since its last call.
        """
        members = np.empty((len(a), self.members), np.float32)
        with side_by_side(MANY_THREADS, self._scorer.device) as pool:
            for part in self._parts(len(a)):
                self._score_into(members[part], pool, a[part], b[part], count)
        return PairScores.of(members)

    def scores_in_both_orders(
        self, a: NDArray[np.int64], b: NDArray[np.int64], count: Callable[[int], None] = lambda rows: None
    ) -> PairScores:
        """As `scores`, each member's mean over the logits of A-B and B-A, where the network sees the order.

        Each pair is then scored, and counted, twice.
        """
        scores = self.scores(a, b, count)
        if self.symmetric:
            return scores
        return PairScores.of((scores.members + self.scores(b, a, count).members) / np.float32(2))

    def _parts(self, rows: int) -> Iterator[slice]:
        """All rows, or as many at a time as have proteins that fit in memory when they are prepared."""
        step = max(1, rows) if self._all_fit else self._rows_that_fit
        yield from (slice(start, start + step) for start in range(0, rows, step))

    def _score_into(
        self,
        members: NDArray[np.float32],
        pool: Executor,
        a: NDArray[np.int64],
        b: NDArray[np.int64],
        count: Callable[[int], None],
    ) -> None:
        prepared, of_a, of_b = self._prepare(pool, a, b)
        step = pairs_at_once(self._scorer)

        @torch.inference_mode()
        def score(rows: slice) -> tuple[slice, NDArray[np.float32]]:
            return rows, self._scorer.score_members(prepared, of_a[rows], of_b[rows]).cpu().numpy()

        for rows, found in pool.map(score, (slice(start, start + step) for start in range(0, len(a), step))):
            members[rows] = found
            count(len(found))

    def _prepare(self, pool: Executor, a: NDArray[np.int64], b: NDArray[np.int64]) -> tuple[Prepared, Tensor, Tensor]:
        """Prepared proteins, and the rows of the partners among them."""
        rows = np.stack([a, b])
        if not self._all_fit:
            used, rows = np.unique(rows, return_inverse=True)
            prepared = prepare_all(self._scorer, pool, self.table[torch.from_numpy(used)])
        else:
            if self._prepared is None:
                self._prepared = prepare_all(self._scorer, pool, self.table)
            prepared = self._prepared
        of_a, of_b = torch.from_numpy(rows.reshape(2, -1)).to(self._scorer.device)
        return prepared, of_a, of_b
