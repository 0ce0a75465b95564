"""How similar a pair is to the most similar of many reference pairs, exactly and without comparing pair with pair."""

import logging
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from esm2_amp.evaluation.pair_logistic import PairRows
from esm2_amp.parameters.evaluation import Combine
from esm2_amp.progress import Progress

logger = logging.getLogger(__name__)

_COMBINE: Final = {"min": np.minimum, "sum": np.add}
_LOWEST: Final = {"min": -1.0, "sum": -2.0}

_BLOCK = 1024
"""Partners B whose similarities are held at once: with C reference proteins `4 · C · _BLOCK` bytes, twice."""
_CHUNK = 128
"""Pairs whose similarities are held at once: they stay in a processor's cache."""


def nearest_pair_similarity(
    vectors: NDArray[np.float32], pairs: PairRows, reference: PairRows, *, combine: Combine, leave_itself_out: bool
) -> NDArray[np.float32]:
    """Similarity of each pair to its nearest reference pair, whichever way round the partners are matched.

    The similarity of (a, b) to (c, d) is the `combine` of cos(a, c) and cos(b, d), or of cos(a, d) and cos(b, c), the
    larger. Both ways of combining grow with each of the two, so the best d can be found for each c and b alone:
    M[b, c] = max over the partners d of c of cos(b, d), and then the best c for each pair. With E reference pairs of
    C proteins, and B pairs of U proteins, this takes U·E + B·C steps, where comparing pair with pair takes B·E.

    Parameters
    ----------
    vectors : ndarray, shape (P, D), float32
        One vector per protein; only its direction counts.
    pairs, reference : PairRows
        At least one reference pair.
    combine : {"min", "sum"}
        How the cosines of both partners make a similarity.
    leave_itself_out : bool
        Whether a pair that is a reference pair too, in either order, is compared with the others only.

    Returns
    -------
    similarity : ndarray, shape (B,), float32
        From -1 ("min") or -2 ("sum"), also the value where no other reference pair is left, to 1 or 2.
    """
    norm = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit = (vectors / np.maximum(norm, np.finfo(np.float32).tiny)).astype(np.float32)
    graph = _Graph.of(reference, unit)
    similarity = np.empty(len(pairs.a), dtype=np.float32)
    proteins_b, number_b = np.unique(pairs.b, return_inverse=True)
    progress = Progress(logger, "similarity to known pairs, pairs", len(pairs.a))
    for start in range(0, len(proteins_b), _BLOCK):
        nearest = graph.nearest_partner(unit[proteins_b[start : start + _BLOCK]])
        rows = np.flatnonzero((number_b >= start) & (number_b < start + _BLOCK))
        proteins_a, number_a = np.unique(pairs.a[rows], return_inverse=True)
        for first in range(0, len(proteins_a), _BLOCK):
            to_a = unit[proteins_a[first : first + _BLOCK]] @ graph.unit.T  # (block, C)
            some = np.flatnonzero((number_a >= first) & (number_a < first + _BLOCK))
            for chunk in np.split(some, range(_CHUNK, len(some), _CHUNK)):
                at = rows[chunk]
                cos_a = to_a[number_a[chunk] - first]  # (chunk, C)
                both = _COMBINE[combine](cos_a, nearest[number_b[at] - start])
                if leave_itself_out:
                    graph.leave_out(both, cos_a, PairRows(pairs.a[at], pairs.b[at]), combine)
                similarity[at] = both.max(axis=1, initial=-np.inf)
                progress.add(len(at))
    return np.maximum(similarity, np.float32(_LOWEST[combine]))


class _Graph(NamedTuple):
    """Reference pairs as an undirected graph.

    An edge c → d and its reverse are two of the E' directed edges, sorted by c, then d.

    Attributes
    ----------
    proteins : ndarray, shape (C,), int64
        Rows of the proteins that occur, ascending.
    unit : ndarray, shape (C, D), float32
        Their vectors, of length 1.
    partners : list of C ndarrays, int64
        Their partners, as places in `proteins`, ascending.
    edges : ndarray, shape (E',), int64
        c · C + d, ascending.
    across, own : ndarray, shape (E',), float32
        Of c → d: the largest cosine of d, and of c, with a partner of c that isn't d; -inf where c has no other.
    """

    proteins: NDArray[np.int64]
    unit: NDArray[np.float32]
    partners: list[NDArray[np.int64]]
    edges: NDArray[np.int64]
    across: NDArray[np.float32]
    own: NDArray[np.float32]

    @classmethod
    def of(cls, reference: PairRows, unit: NDArray[np.float32]) -> "_Graph":
        proteins, places = np.unique(np.concatenate(reference), return_inverse=True)
        c, d = places.reshape(2, -1)
        edges = np.unique(np.concatenate((c * len(proteins) + d, d * len(proteins) + c)))
        starts = np.searchsorted(edges, np.arange(1, len(proteins)) * len(proteins))
        partners = np.split(edges % len(proteins), starts)
        vectors = unit[proteins]
        leftover = [_leave_one_out(vector, vectors[some]) for vector, some in zip(vectors, partners, strict=True)]
        across, own = (np.concatenate(parts) for parts in zip(*leftover, strict=True))
        return cls(proteins, vectors, partners, edges, across, own)

    def nearest_partner(self, unit: NDArray[np.float32]) -> NDArray[np.float32]:
        """The largest cosine of each of N vectors with the partners of each reference protein, shape (N, C)."""
        cosine = self.unit @ unit.T  # (C, N)
        nearest = np.empty_like(cosine)
        for c, partners in enumerate(self.partners):
            cosine[partners].max(axis=0, out=nearest[c])
        return np.ascontiguousarray(nearest.T)

    def leave_out(
        self, both: NDArray[np.float32], cos_a: NDArray[np.float32], pairs: PairRows, combine: Combine
    ) -> None:
        """Correct, in place, where a pair was matched with itself: a with a and b with b, or a with b and b with a."""
        a, b = (np.searchsorted(self.proteins, rows) for rows in pairs)
        for matched, partner, left in ((a, b, self.across), (b, a, self.own)):
            edge = matched * len(self.proteins) + partner
            place = np.minimum(np.searchsorted(self.edges, edge), len(self.edges) - 1)
            is_reference = (self.edges[place] == edge) & self._holds(pairs, a, b)
            row, column = np.flatnonzero(is_reference), matched[is_reference]
            both[row, column] = _COMBINE[combine](cos_a[row, column], left[place[is_reference]])

    def _holds(self, pairs: PairRows, a: NDArray[np.int64], b: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Whether both partners occur, and not just their places in the order."""
        last = len(self.proteins) - 1
        found: NDArray[np.bool_] = self.proteins[np.minimum(a, last)] == pairs.a
        found &= self.proteins[np.minimum(b, last)] == pairs.b
        return found


def _leave_one_out(
    vector: NDArray[np.float32], partners: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """`across` and `own` of the edges of one protein to its partners."""
    among = partners @ partners.T
    np.fill_diagonal(among, -np.inf)
    cosine = partners @ vector
    best = int(cosine.argmax())
    own = np.full_like(cosine, cosine[best])
    own[best] = np.delete(cosine, best).max(initial=-np.inf)
    return among.max(axis=1), own
