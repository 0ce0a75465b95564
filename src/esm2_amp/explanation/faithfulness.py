"""Whether a score rests on the tokens that a method calls important: deletion and insertion (METHOD section 6).

Deletion replaces a pair's tokens by the baseline's, the most important first: the sooner the probability falls, the
better the order. Insertion begins at the baseline and puts the pair's tokens back, the most important first: the sooner
it rises, the better (Petsiuk et al. 2018).
"""

import logging
from collections.abc import Mapping
from typing import Final, NamedTuple

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from esm2_amp.models.base import PairNetwork
from esm2_amp.pairs import Pairs
from esm2_amp.progress import Progress
from esm2_amp.statistics.intervals import mean_intervals
from esm2_amp.statistics.metrics import sigmoid

logger = logging.getLogger(__name__)

Floats = NDArray[np.float64]

CURVES: Final = {"deletion": -1, "insertion": 1}
"""Each curve, and the sign of a better area than that of random orders."""

RANDOM: Final = "random"


class Scorer(NamedTuple):
    """A network and the B pairs that it scores while their tokens are replaced by the baseline's.

    Attributes
    ----------
    network : PairNetwork
        The explained model.
    pairs : Pairs
        The pairs as the network reads them.
    baseline : Tensor, shape (T, D), float32
        The average pair whose tokens are put in.
    batch_size : int
        Pairs passed through the network at once.
    device : torch.device
        Where the pairs are scored.
    """

    network: PairNetwork
    pairs: Pairs
    baseline: Tensor
    batch_size: int
    device: torch.device

    @torch.inference_mode()
    def curves(self, importance: NDArray[np.floating]) -> Floats:
        """Probability while tokens are replaced, and while they are put back, the most important first.

        Parameters
        ----------
        importance : ndarray, shape (B, T)
            Importance of each token of each pair.

        Returns
        -------
        probability : ndarray, shape (2, B, T + 1), float64
            Probabilities of deletion, then of insertion, by the number of tokens replaced or put back.
        """
        network, pairs = self.network.to(self.device).eval(), self.pairs.to(self.device)
        baseline = self.baseline.to(self.device)
        order = torch.from_numpy(np.argsort(-importance, axis=1, kind="stable")).to(self.device)
        rank = order.argsort(dim=1)[..., None]  # (B, T, 1)
        steps = range(len(baseline) + 1)
        logits = torch.empty(2, len(rank), len(steps))
        for rows in pairs.batches(self.batch_size):
            tokens = pairs.tokens(rows)
            for step in steps:
                treated = rank[rows.to(self.device)] < step
                logits[0, rows, step] = network(torch.where(treated, baseline, tokens)).float().cpu()
                logits[1, rows, step] = network(torch.where(treated, tokens, baseline)).float().cpu()
        return sigmoid(logits.numpy())


class Faithfulness(NamedTuple):
    """Deletion and insertion of several methods.

    Attributes
    ----------
    areas : DataFrame
        `Method`, `Curve`; `Area` under the curve, the mean probability over the share of tokens treated, with its 95 %
        interval `Low` to `High`; `Difference` from random orders of the same pairs with `DifferenceLow` and
        `DifferenceHigh`; `Verdict` on it: "better than random", "worse than random" or "not distinguishable".
    curves : DataFrame
        `Method`, `Curve`, `Tokens` treated, mean `Probability` with `Low` and `High`.
    """

    areas: pd.DataFrame
    curves: pd.DataFrame


def faithfulness(
    importances: Mapping[str, NDArray[np.floating]], scorer: Scorer, *, random_orders: int, seed: int
) -> Faithfulness:
    """Compare the methods' orders of tokens with random ones.

    Parameters
    ----------
    importances : mapping of method name to ndarray, shape (B, T)
        Importances of the tokens of the scorer's pairs.
    scorer : Scorer
        Scores the pairs while their tokens are replaced.
    random_orders : int
        Random orders of each pair; their curves are averaged.
    seed : int
        Seed of the random orders.
    """
    shape = len(scorer.pairs), len(scorer.baseline)
    generator = np.random.default_rng(seed)
    orders = random_orders + len(importances)
    progress = Progress(logger, "deletion and insertion curves, orders of tokens", orders)
    drawn = [scorer.curves(generator.random(shape)) for _ in progress.over(range(random_orders))]
    found = {name: scorer.curves(importance) for name, importance in progress.over(importances.items())}
    found[RANDOM] = np.mean(drawn, axis=0)
    proteins = scorer.pairs.a.numpy(), scorer.pairs.b.numpy()
    areas, curves = [], []
    for name, of_method in found.items():
        for curve, values, at_random in zip(CURVES, of_method, found[RANDOM], strict=True):
            area = _area(values)
            both = np.stack([area, area - _area(at_random)], axis=1)
            own, difference = zip(*mean_intervals(both, *proteins), strict=True)
            areas.append((name, curve, *own, *difference, verdict(name, curve, *difference)))
            points = zip(range(values.shape[1]), *mean_intervals(values, *proteins), strict=True)
            curves += [(name, curve, *point) for point in points]
    of_areas = ["Area", "Low", "High", "Difference", "DifferenceLow", "DifferenceHigh", "Verdict"]
    return Faithfulness(
        pd.DataFrame(areas, columns=["Method", "Curve", *of_areas]),
        pd.DataFrame(curves, columns=["Method", "Curve", "Tokens", "Probability", "Low", "High"]),
    )


def _area(curves: Floats) -> Floats:
    """Areas under curves of evenly spaced points from 0 to 1, by trapezoids: (B, T + 1) → (B,)."""
    return np.asarray(np.trapezoid(curves, dx=1 / (curves.shape[1] - 1), axis=1))


def verdict(method: str, curve: str, difference: float, low: float, high: float) -> str:
    """What a difference of areas from random orders, with its interval, says of a method; nothing of random orders."""
    if method == RANDOM:
        return ""
    if low <= 0 <= high:
        return "not distinguishable"
    return "better than random" if difference * CURVES[curve] > 0 else "worse than random"
