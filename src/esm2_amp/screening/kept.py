"""What is kept of the scores of a screen: the best partners of each protein, all pairs above a threshold, and counts.

Each part is a sum, or a choice by an order in which no two pairs are equal. So the result doesn't depend on how the
pairs were cut into tiles, nor on the order in which these were finished.
"""

from dataclasses import dataclass, field
from typing import Final, NamedTuple, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from esm2_amp.errors import InputError
from esm2_amp.screening.tiles import Rows, WantedPairs

LARGEST_LOGIT: Final = 32.0
"""Where the outermost bins begin."""

FINE: Final = 1 << 16
"""Bins of all scores together."""

COARSE: Final = 1 << 10
"""Bins of the scores of each protein, each of `FINE // COARSE` fine ones."""

EDGES: Final = np.sinh(np.linspace(-1, 1, FINE - 1) * np.arcsinh(LARGEST_LOGIT)).astype(np.float32)
"""Inner edges of the fine bins, shape (FINE − 1,). A bin holds its lower edge. They are narrow where scores are many:
0.0001 wide at a logit of 0, 0.001 at 8; of the coarse bins, 0.008 and 0.07."""

COARSE_EDGES: Final = EDGES[FINE // COARSE - 1 :: FINE // COARSE]
"""Inner edges of the coarse bins, shape (COARSE − 1,)."""

_NO_PARTNER: Final = np.iinfo(np.int64).min
_LOW: Final = (1 << 32) - 1

Keys = NDArray[np.int64]
"""Partners as numbers by which they are ordered: the larger the better, of equal logits the earlier protein."""


class ScoredPairs(NamedTuple):
    """Pairs with their logits, as rows of the table.

    Attributes
    ----------
    a, b : ndarray, shape (B,), int32
        Rows, a ≤ b.
    logit : ndarray, shape (B,), float32
        Their scores.
    """

    a: NDArray[np.int32]
    b: NDArray[np.int32]
    logit: NDArray[np.float32]


class Watch(NamedTuple):
    """What is looked at beside all pairs, to tell how well known pairs are found.

    Attributes
    ----------
    a, b : ndarray, shape (M,), int64
        Rows of pairs whose logits are kept, a ≤ b, each pair once, ordered by a, then b.
    queries, targets : ndarray, shape (P,), bool
        Known pairs are looked for among the pairs of one of these queries with one of these targets.
    trained : ndarray, shape (P,), bool
        Proteins of which no two make such a pair, since the model was trained on both.
    """

    a: Rows
    b: Rows
    queries: NDArray[np.bool_]
    targets: NDArray[np.bool_]
    trained: NDArray[np.bool_]

    @classmethod
    def nothing(cls, proteins: int) -> Self:
        """No pair, among P proteins."""
        none, nobody = np.empty(0, np.int64), np.zeros(proteins, bool)
        return cls(none, none, nobody, nobody, nobody)

    def studied(self, a: Rows, b: Rows) -> NDArray[np.bool_]:
        """Which pairs are among those in which known ones are looked for; the rows broadcast."""
        asked = (self.queries[a] & self.targets[b]) | (self.queries[b] & self.targets[a])
        return asked & ~(self.trained[a] & self.trained[b])


class PartOfScreen(NamedTuple):
    """What is kept of one tile.

    Attributes
    ----------
    proteins : ndarray, shape (n,), int64
        Proteins of the tile of which partners are kept; one may stand there twice, as row and as column.
    best : ndarray, shape (n, at most k), int64
        Keys of their best partners.
    counts : ndarray, shape (n, COARSE), int32
        Counts of their scores.
    scores, studied : ndarray, shape (FINE,), int32
        Counts of all scores, and of those of studied pairs.
    above : ScoredPairs
        All pairs from the threshold on.
    watched : ndarray, shape (m,), int64
        Numbers of the watched pairs that are in the tile.
    watched_logit : ndarray, shape (m,), float32
        Their logits.
    """

    proteins: Rows
    best: Keys
    counts: NDArray[np.int32]
    scores: NDArray[np.int32]
    studied: NDArray[np.int32]
    above: ScoredPairs
    watched: Rows
    watched_logit: NDArray[np.float32]


class Keeping(NamedTuple):
    """What is kept, apart from counts.

    Attributes
    ----------
    top : int
        k, the partners kept of each query.
    threshold : float
        Logit from which every pair is kept.
    watch : Watch
        Pairs that are looked at beside all others.
    """

    top: int
    threshold: float
    watch: Watch


@dataclass
class Kept:
    """What is kept of all tiles so far.

    Attributes
    ----------
    queries : ndarray, shape (Q,), int64
        Proteins of which partners are kept.
    best : ndarray, shape (Q, k), int64
        Keys of their best partners, in no order.
    counts : ndarray, shape (Q, COARSE), int32
        Counts of their scores.
    scores, studied : ndarray, shape (FINE,), int64
        Counts of all scores, and of those of studied pairs.
    watched : ndarray, shape (M,), float32
        Logits of the watched pairs; NaN for those not met yet.
    above : list of ScoredPairs
        All pairs from the threshold on.
    """

    queries: Rows
    best: Keys
    counts: NDArray[np.int32]
    scores: NDArray[np.int64]
    studied: NDArray[np.int64]
    watched: NDArray[np.float32]
    above: list[ScoredPairs] = field(default_factory=list)

    @classmethod
    def nothing(cls, queries: Rows, keeping: Keeping) -> Self:
        """Nothing yet, for these queries."""
        return cls(
            queries,
            np.full((len(queries), keeping.top), _NO_PARTNER),
            np.zeros((len(queries), COARSE), np.int32),
            np.zeros(FINE, np.int64),
            np.zeros(FINE, np.int64),
            np.full(len(keeping.watch.a), np.nan, np.float32),
        )

    def add(self, part: PartOfScreen) -> None:
        """Add a tile, each once."""
        query = np.searchsorted(self.queries, part.proteins)
        for rows in _each_once(query):  # a protein that is row and column stands there twice
            at = query[rows]
            self.counts[at] += part.counts[rows]
            self.best[at] = _largest(np.hstack([self.best[at], part.best[rows]]), self.best.shape[1])
        self.scores += part.scores
        self.studied += part.studied
        self.watched[part.watched] = part.watched_logit
        if len(part.above.a):
            self.above.append(part.above)

    @property
    def n_above(self) -> int:
        """How many pairs reach the threshold."""
        return sum(len(pairs.a) for pairs in self.above)

    def pairs_above(self) -> ScoredPairs:
        """The pairs from the threshold on, ordered by their rows."""
        above = self.above or [_NO_PAIRS]
        a, b = (np.concatenate([getattr(pairs, side) for pairs in above]) for side in "ab")
        order = np.lexsort((b, a))
        return ScoredPairs(a[order], b[order], np.concatenate([pairs.logit for pairs in above])[order])

    def partners(self) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """The best partners of each query, best first.

        Returns
        -------
        partner : ndarray, shape (Q, k), int32
            Rows of the table; −1 where a query has fewer partners.
        logit : ndarray, shape (Q, k), float32
            NaN where there is no partner.
        """
        return partners_of_keys(np.sort(self.best, axis=1)[:, ::-1])


_NO_PAIRS: Final = ScoredPairs(np.empty(0, np.int32), np.empty(0, np.int32), np.empty(0, np.float32))


def keys_of_partners(logit: Tensor, partner: Tensor) -> Tensor:
    """Numbers that order partners: by the logit, of equal logits the earlier protein is the better.

    Parameters
    ----------
    logit : Tensor, shape (…), float32
        Without NaN.
    partner : Tensor, shape (…), int64
        Rows of the table.

    Returns
    -------
    key : Tensor, shape (…), int64
    """
    bits = (logit + 0.0).view(torch.int32)  # −0 becomes 0
    ordered = (bits ^ ((bits >> 31) & 0x7FFFFFFF)).long()  # floats as integers that are ordered alike
    return (ordered << 32) | (_LOW - partner)


def partners_of_keys(key: Keys) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """The partners and logits of keys: int32 and float32, −1 and NaN where there is none."""
    partner = np.where(key == _NO_PARTNER, -1, _LOW - (key & _LOW)).astype(np.int32)
    ordered = (key >> 32).astype(np.int32)
    logit = (ordered ^ ((ordered >> 31) & 0x7FFFFFFF)).view(np.float32)
    return partner, np.where(key == _NO_PARTNER, np.float32(np.nan), logit)


def keep(
    logit: Tensor, mask: NDArray[np.bool_], rows: Rows, columns: Rows, wanted: WantedPairs, keeping: Keeping
) -> PartOfScreen:
    """What is kept of the scores of a tile.

    Parameters
    ----------
    logit : Tensor, shape (r, c), float32
        Scores; those outside the mask may be anything.
    mask : ndarray, shape (r, c), bool
        Which pairs are screened here.
    rows, columns : ndarray, shape (r,) and (c,), int64
        Rows of the table.
    wanted : WantedPairs
        The pairs that are scored.
    keeping : Keeping
        What is kept of the scores.

    Raises
    ------
    InputError
        A score isn't a number.
    """
    here = torch.from_numpy(mask).to(logit.device)
    if (wrong := here & logit.isnan()).any():
        row, column = wrong.nonzero()[0].tolist()
        raise InputError(
            f"Every score must be a number, but that of the proteins {rows[row]} and {columns[column]} (counted from "
            "0) is NaN: the vectors of one hold no finite numbers, or the model has diverged; extract the features "
            "again, or choose another model"
        )
    bins = torch.bucketize(logit, torch.from_numpy(EDGES).to(logit.device), right=True)
    partner, protein = (torch.from_numpy(part).to(logit.device) for part in (columns, rows))
    studied = torch.from_numpy(keeping.watch.studied(rows[:, None], columns)).to(logit.device)
    as_columns = np.flatnonzero(wanted.is_query[columns])
    apart = here & (protein[:, None] != partner)  # a pair with itself counts once, as a row
    of_rows = _of_proteins(logit, here, bins, partner=partner, top=keeping.top)
    upright = (part.T[as_columns] for part in (logit, apart, bins))
    of_columns = _of_proteins(*upright, partner=protein, top=keeping.top)
    width = max(of_rows[0].shape[1], of_columns[0].shape[1])
    a, b = (here & (logit >= keeping.threshold)).nonzero().T.cpu().numpy()
    above = _ordered(rows[a], columns[b], logit[a, b].cpu().numpy())
    watched, at_row, at_column = _watched(keeping.watch, rows, columns, mask)
    return PartOfScreen(
        np.concatenate([rows, columns[as_columns]]),
        np.vstack([_padded(best, width) for best, _ in (of_rows, of_columns)]),
        np.vstack([of_rows[1], of_columns[1]]),
        _counts(bins[here], FINE),
        _counts(bins[here & studied], FINE),
        above,
        watched,
        logit[at_row, at_column].cpu().numpy(),
    )


def _of_proteins(
    logit: Tensor, mask: Tensor, bins: Tensor, *, partner: Tensor, top: int
) -> tuple[Keys, NDArray[np.int32]]:
    """Keys of the best partners of each of n proteins (n, at most top), and the counts of its scores (n, COARSE)."""
    keys = keys_of_partners(logit, partner.expand(logit.shape)).masked_fill_(~mask, _NO_PARTNER)
    best = keys.topk(min(top, keys.shape[1]), dim=1, sorted=False).values
    coarse = torch.where(mask, bins // (FINE // COARSE), COARSE)  # one more bin, for the others
    flat = coarse + torch.arange(len(coarse), device=coarse.device)[:, None] * (COARSE + 1)
    counts = _counts(flat.flatten(), len(coarse) * (COARSE + 1)).reshape(-1, COARSE + 1)
    return best.cpu().numpy(), np.ascontiguousarray(counts[:, :COARSE])


def _counts(bins: Tensor, n_bins: int) -> NDArray[np.int32]:
    counts: NDArray[np.int32] = torch.bincount(bins, minlength=n_bins).to(torch.int32).cpu().numpy()
    return counts


def _watched(watch: Watch, rows: Rows, columns: Rows, mask: NDArray[np.bool_]) -> tuple[Rows, Rows, Rows]:
    """Numbers of the watched pairs in a tile, and where they are in it."""
    found = []
    for first, second in ((watch.a, watch.b), (watch.b, watch.a)):
        row, column = np.searchsorted(rows, first), np.searchsorted(columns, second)
        row, column = np.minimum(row, len(rows) - 1), np.minimum(column, len(columns) - 1)
        is_here = (rows[row] == first) & (columns[column] == second) & mask[row, column]
        number = np.flatnonzero(is_here)
        found.append(np.stack([number, row[number], column[number]]))
    number, row, column = np.hstack(found)
    _, once = np.unique(number, return_index=True)  # a pair with itself is found in both orders
    return number[once], row[once], column[once]


def _ordered(a: Rows, b: Rows, logit: NDArray[np.float32]) -> ScoredPairs:
    return ScoredPairs(np.minimum(a, b).astype(np.int32), np.maximum(a, b).astype(np.int32), logit)


def _padded(best: Keys, width: int) -> Keys:
    return np.pad(best, ((0, 0), (0, width - best.shape[1])), constant_values=_NO_PARTNER)


def _each_once(at: Rows) -> list[Rows]:
    """Numbers of `at` in groups in which no value stands twice; a value stands there twice at most."""
    _, first = np.unique(at, return_index=True)
    others = np.setdiff1d(np.arange(len(at)), first)
    return [group for group in (first, others) if len(group)]


def _largest(keys: Keys, count: int) -> Keys:
    return np.partition(keys, -count, axis=1)[:, -count:] if keys.shape[1] > count else keys


def candidate_pairs(kept: Kept) -> ScoredPairs:
    """All pairs of which anything is kept, each once, best first; of equal scores the earlier proteins come first."""
    partner, logit = kept.partners()
    has_partner = partner >= 0
    query = np.broadcast_to(kept.queries[:, None].astype(np.int32), partner.shape)[has_partner]
    partner = partner[has_partner]
    above = kept.pairs_above()
    a = np.concatenate([np.minimum(query, partner), above.a])
    b = np.concatenate([np.maximum(query, partner), above.b])
    score = np.concatenate([logit[has_partner], above.logit])
    order = np.lexsort((b, a))
    a, b, score = a[order], b[order], score[order]
    first = np.r_[True, (a[1:] != a[:-1]) | (b[1:] != b[:-1])] if len(a) else np.empty(0, bool)
    a, b, score = a[first], b[first], score[first]
    order = np.argsort(-score, kind="stable")
    return ScoredPairs(a[order], b[order], score[order])
