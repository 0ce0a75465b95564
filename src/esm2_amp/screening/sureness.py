"""How sure the scores of a screen are: the spread over an ensemble's members, and unlikeness to the training."""

import logging
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from esm2_amp.features import ProteinFeatures
from esm2_amp.models.ensemble import members_of
from esm2_amp.models.storage import TrainedModel
from esm2_amp.models.unlikeness import SPREAD, UNLIKENESS
from esm2_amp.progress import Progress
from esm2_amp.screening.kept import ScoredPairs
from esm2_amp.screening.rows import RowScorer
from esm2_amp.screening.tiles import Rows

logger = logging.getLogger(__name__)


class Sureness(NamedTuple):
    """How sure the scores of a screen are, as far as it is known.

    Attributes
    ----------
    spread : ndarray, shape (candidates,), float32, optional
        Standard deviation over the logits of an ensemble's members, in the order of `candidate_pairs`.
    unlikeness : ndarray, shape (P,), float32, optional
        How unlike the proteins of the model's training each protein is, in percent.
    """

    spread: NDArray[np.float32] | None
    unlikeness: NDArray[np.float32] | None

    def columns(self, a: Rows, b: Rows) -> dict[str, NDArray[np.float32]]:
        """The columns of the candidates of these rows; the larger unlikeness of both proteins is the pair's."""
        columns = {} if self.spread is None else {SPREAD: self.spread}
        if self.unlikeness is not None:
            columns[UNLIKENESS] = np.maximum(self.unlikeness[a], self.unlikeness[b])
        return columns


def sureness_of(
    model: TrainedModel,
    features: ProteinFeatures,
    table: Tensor,
    candidates: ScoredPairs,
    device: torch.device,
) -> Sureness:
    """How sure the scores of candidates are; an ensemble scores them again, to see how far its members differ.

    Of all other pairs a screen keeps no spread: what is kept of a tile would no longer add up.

    Parameters
    ----------
    model : TrainedModel
        The model that screened.
    features : ProteinFeatures
        Of P proteins.
    table : Tensor, shape (P, T / 2, D), float32 or float16
        The vectors of the proteins that the network reads.
    candidates : ScoredPairs
        Of `esm2_amp.screening.kept.candidate_pairs`.
    device : torch.device
        Where they are scored.
    """
    progress = Progress(logger, "comparing proteins with those of the training", len(features.index))
    unlikeness, spread = model.unlikeness(features, progress.add), None
    if len(members_of(model.network)) > 1:
        a, b = (rows.astype(np.int64) for rows in (candidates.a, candidates.b))
        scorer = RowScorer(model.network, table, device)
        orders = 1 if scorer.symmetric else 2
        progress = Progress(logger, "comparing the members' scores of candidates", orders * len(a))
        spread = scorer.scores_in_both_orders(a, b, progress.add).spread
    return Sureness(spread, None if unlikeness is None else unlikeness.to_numpy())
