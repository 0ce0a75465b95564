"""How unlike its training proteins a protein is: distances to the nearest ones, as percentiles (METHOD section 12).

Distances are Euclidean between mean vectors, each dimension standardised by the training proteins. Dimensions differ in
spread (standard deviations from 0.09 to 0.59 in `esm2_mini`), and the widest would decide distances alone; in angles
what all proteins have in common would count, too.
"""

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple, Self

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from esm2_amp.features import ProteinFeatures
from esm2_amp.protein import TOKENS

SPREAD: Final = "Spread"
UNLIKENESS: Final = "Unlikeness"
"""Columns of pairs that tell how sure a score is."""

MOST_PROTEINS: Final = 10_000
"""Training proteins that a model keeps: of larger trainings as many are drawn. At D = 1280 they fill 26 MB."""

_MEAN: Final = TOKENS.index("mean")
_AT_ONCE: Final = 1024
_FURTHEST: Final = 1e4
"""Standard deviations from the centre: a dimension in which training proteins hardly differ overflows no number."""

_SEED: Final = 0


class TrainingVectors(NamedTuple):
    """The training proteins of a model, by which it is told how unlike them another protein is.

    Attributes
    ----------
    centre, scale : Tensor, shape (D,), float32
        Mean and standard deviation of the mean vectors of all N training proteins.
    vectors : Tensor, shape (n, D), float16
        The standardised mean vectors of all of them, or of `MOST_PROTEINS` that are drawn.
    distances : Tensor, shape (n,), float32
        Of each of these the distance to the nearest other one, in ascending order.
    """

    centre: Tensor
    scale: Tensor
    vectors: Tensor
    distances: Tensor

    @classmethod
    def of(cls, mean_vectors: Tensor, most: int = MOST_PROTEINS) -> Self:
        """Those of a training.

        Parameters
        ----------
        mean_vectors : Tensor, shape (N, D), float
            Of the training proteins, at least two.
        most : int
            How many are kept; of more as many are drawn, always the same ones.
        """
        centre, scale = mean_vectors.float().mean(dim=0), mean_vectors.float().std(dim=0)
        scale = torch.where(scale > 0, scale, 1.0)
        if len(mean_vectors) > most:
            drawn = np.random.default_rng(_SEED).choice(len(mean_vectors), most, replace=False)
            mean_vectors = mean_vectors[torch.from_numpy(np.sort(drawn))]
        vectors = _standardised(mean_vectors, centre, scale)
        return cls(centre, scale, vectors, nearest_distances(vectors, vectors, leave_out_own=True).sort().values)

    def unlikeness(self, mean_vectors: Tensor, report: Callable[[int], None] = lambda _: None) -> NDArray[np.float32]:
        """How unlike the training proteins other proteins are.

        Parameters
        ----------
        mean_vectors : Tensor, shape (P, D), float
            Of the proteins.
        report : callable
            Called with the number of proteins done, part by part.

        Returns
        -------
        unlikeness : ndarray, shape (P,), float32
            Percentage of the training proteins that are nearer to another one than the protein is to any: 0 for one
            that is kept itself, about 50 for one as new as training proteins are to one another, 100 for one that is
            further off than all of these.
        """
        standardised = _standardised(mean_vectors, self.centre, self.scale)  # rounded as the kept ones, so 0 from them
        nearest = nearest_distances(standardised, self.vectors, report=report)
        nearer = torch.searchsorted(self.distances, nearest)
        return (100 * nearer.double() / len(self.distances)).float().numpy()


def nearest_distances(
    vectors: Tensor, others: Tensor, *, leave_out_own: bool = False, report: Callable[[int], None] = lambda _: None
) -> Tensor:
    """Euclidean distance of each vector to the nearest of others: shape (P,), float32.

    Parameters
    ----------
    vectors, others : Tensor, shape (P, D) and (n, D), float
        By matrix products, part by part, the nearest is found; its distance is then computed from the difference.
    leave_out_own : bool
        Whether `others` are the vectors themselves, of which each is compared with those of other rows.
    report : callable
        Called with the number of vectors done, part by part.
    """
    table, found = others.float(), torch.empty(len(vectors))
    halves = table.square().sum(dim=1) / 2
    for rows in torch.arange(len(vectors)).split(_AT_ONCE):
        part = vectors[rows].float()
        behind = halves - part @ table.T  # half the squared distance, without the vector's own half
        if leave_out_own:
            behind[torch.arange(len(rows)), rows] = torch.inf
        found[rows] = (part - table[behind.argmin(dim=1)]).norm(dim=1)
        report(len(rows))
    return found


def _standardised(vectors: Tensor, centre: Tensor, scale: Tensor) -> Tensor:
    return ((vectors.float() - centre) / scale).clamp(-_FURTHEST, _FURTHEST).half()


def uncertainty(
    spread: NDArray[np.float32] | None, unlikeness: pd.Series | None, pairs: pd.DataFrame
) -> dict[str, NDArray[np.float32]]:
    """The columns of B pairs that tell how sure a score is, as far as the model knows it.

    Parameters
    ----------
    spread : ndarray, shape (B,), float32, optional
        Of `esm2_amp.models.scoring.PairScores`.
    unlikeness : Series of float32, P rows, optional
        Of `TrainedModel.unlikeness`.
    pairs : DataFrame, B rows
        `Protein1`, `Protein2`.

    Returns
    -------
    columns : dict of ndarray, shape (B,), float32
        `Spread`; and `Unlikeness`, that of the partner that is more unlike the training proteins, since a score rests
        on both.
    """
    of_partners = None
    if unlikeness is not None:
        of_partners = tuple(unlikeness.loc[pairs[name]].to_numpy() for name in ("Protein1", "Protein2"))
    return uncertainty_columns(spread, of_partners)


def uncertainty_columns(
    spread: NDArray[np.float32] | None, unlikeness: Sequence[NDArray[np.float32]] | None
) -> dict[str, NDArray[np.float32]]:
    """The columns of `uncertainty`, from the unlikeness of both partners of each pair."""
    columns = {} if spread is None else {SPREAD: spread}
    if unlikeness is not None:
        columns[UNLIKENESS] = np.maximum(*unlikeness)
    return columns


def has_mean_vectors(features: ProteinFeatures) -> bool:
    """Whether features hold the mean vectors of proteins; imported ones may lack them."""
    return TOKENS[_MEAN] in features.provenance.get("tokens", TOKENS)


def mean_vectors(features: ProteinFeatures, rows: Sequence[int] | None = None) -> Tensor:
    """The mean vectors of all proteins or of some rows: shape (P, D), as stored."""
    return features.select(slice(_MEAN, _MEAN + 1), rows)[:, 0]
