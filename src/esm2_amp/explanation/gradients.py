"""Integrated Gradients of pairs, with the check that they add up (Sundararajan et al. 2017; METHOD section 6)."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np
import torch
from captum.attr import IntegratedGradients
from numpy.typing import NDArray
from torch import Tensor, nn

from esm2_amp.models.base import PairNetwork
from esm2_amp.models.scoring import score_pairs
from esm2_amp.pairs import pair_tokens
from esm2_amp.parameters.interpretability import GradientParameters
from esm2_amp.progress import Progress

logger = logging.getLogger(__name__)


class Attributions(NamedTuple):
    """Integrated Gradients of B pairs.

    Attributes
    ----------
    attribution : ndarray, shape (B, T, D), float32
        What each feature adds to the logit, from the baseline's to the pair's.
    logit : ndarray, shape (B,), float32
    baseline_logit : float
    delta : ndarray, shape (B,), float64
        Sum of a pair's attributions minus (logit − baseline_logit); 0 for an exact integral.
    steps : ndarray, shape (B,), int64
        That each pair took.
    """

    attribution: NDArray[np.float32]
    logit: NDArray[np.float32]
    baseline_logit: float
    delta: NDArray[np.float64]
    steps: NDArray[np.int64]

    @property
    def importance(self) -> NDArray[np.float32]:
        """Of each token, shape (B, T): mean |attribution| over its D features."""
        return np.stack([np.abs(pair).mean(axis=-1) for pair in self.attribution])

    @property
    def error(self) -> NDArray[np.float64]:
        """|delta| as a fraction of |logit − baseline_logit|, shape (B,)."""
        return np.asarray(np.abs(self.delta) / np.abs(self.logit - self.baseline_logit))

    def summary(self, parameters: GradientParameters) -> dict[str, Any]:
        """How well the attributions add up, and the steps that it took, for a report."""
        used, pairs = np.unique(self.steps, return_counts=True)
        return {
            "pairs": len(self.delta),
            "tolerance": parameters.tolerance,
            "share_within_tolerance": float(np.mean(self.error <= parameters.tolerance)),
            "share_asked_for": parameters.share,
            "median_error": float(np.median(self.error)),
            "largest_error": float(self.error.max()),
            "pairs_by_steps": {str(steps): int(count) for steps, count in zip(used, pairs, strict=True)},
            "baseline_logit": self.baseline_logit,
        }


def tell_error(found: Attributions, parameters: GradientParameters) -> None:
    """Log for how many pairs the attributions add up, as a warning where they are too few."""
    within = float(np.mean(found.error <= parameters.tolerance))
    again = int((found.steps > parameters.steps).sum())
    more = f"; {again:,} took more than {parameters.steps} steps, up to {found.steps.max()}" if again else ""
    logger.log(
        logging.INFO if within >= parameters.share else logging.WARNING,
        "Attributions add up within %g %% for %.1f %% of %s pairs (%g %% asked for)%s",
        100 * parameters.tolerance,
        100 * within,
        f"{len(found.delta):,}",
        100 * parameters.share,
        more,
    )


def mean_pair(table: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """The baseline: the mean of background pairs, each in both orders.

    The networks that are explained can't tell A from B; a baseline that could would break this symmetry.

    Parameters
    ----------
    table : Tensor, shape (P, T / 2, D), float
    a, b : Tensor, shape (pairs,), int64

    Returns
    -------
    baseline : Tensor, shape (T, D), float32
    """
    protein = table[torch.cat([a, b])].float().mean(dim=0)
    return torch.cat([protein, protein])


def integrated_gradients(
    network: PairNetwork,
    table: Tensor,
    a: Tensor,
    b: Tensor,
    *,
    baseline: Tensor,
    parameters: GradientParameters,
    device: torch.device,
) -> Attributions:
    """Attribute the logits of pairs to their features.

    Where the attributions of too few pairs add up, the others are integrated again with twice the steps, up to the
    limit.

    Parameters
    ----------
    network : PairNetwork
    table : Tensor, shape (P, T / 2, D), float
        The vectors of each protein that the network reads.
    a, b : Tensor, shape (B,), int64
        Rows of the partners.
    baseline : Tensor, shape (T, D), float32
    parameters : GradientParameters
    device : torch.device
    """
    network, table, baseline = network.to(device).eval(), table.to(device), baseline.to(device)
    logit = score_pairs(network, table, a, b, batch_size=parameters.internal_batch, device=device)
    with torch.inference_mode():
        baseline_logit = float(network(baseline[None]))
    blank = np.empty((len(a), *baseline.shape), dtype=np.float32)
    found = Attributions(blank, logit, baseline_logit, np.empty(len(a)), np.zeros(len(a), dtype=np.int64))
    rows, steps = torch.arange(len(a)), parameters.steps
    with _frozen(network):
        while True:
            _integrate(found, rows, steps, network, table, (a, b), baseline, parameters.internal_batch)
            outside = np.flatnonzero(found.error > parameters.tolerance)
            steps *= 2
            if steps > parameters.max_steps or len(outside) <= (1 - parameters.share) * len(a):
                break
            rows = torch.from_numpy(outside)
    return found


def _integrate(
    found: Attributions,
    rows: Tensor,
    steps: int,
    network: PairNetwork,
    table: Tensor,
    partners: tuple[Tensor, Tensor],
    baseline: Tensor,
    batch_size: int,
) -> None:
    """Fill in some pairs of `found`."""
    method = IntegratedGradients(network)
    progress = Progress(logger, f"Integrated Gradients in {steps} steps, pairs", len(rows))
    for part in rows.split(batch_size):
        tokens = pair_tokens(table, *(side[part].to(table.device) for side in partners))
        values = method.attribute(tokens, baseline[None], n_steps=steps, internal_batch_size=batch_size).detach()
        at = part.numpy()
        found.attribution[at] = values.cpu().numpy()
        found.delta[at] = values.double().sum(dim=(1, 2)).cpu().numpy() - (found.logit[at] - found.baseline_logit)
        found.steps[at] = steps
        progress.add(len(part))


@contextmanager
def _frozen(network: nn.Module) -> Iterator[None]:
    """Weights that need no gradient meanwhile, so that nothing is kept to compute it from."""
    needed = {parameter: parameter.requires_grad for parameter in network.parameters()}
    network.requires_grad_(False)
    try:
        yield
    finally:
        for parameter, is_needed in needed.items():
            parameter.requires_grad_(is_needed)
