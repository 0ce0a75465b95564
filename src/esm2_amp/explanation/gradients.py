"""Integrated Gradients of pairs, with the check that they add up (Sundararajan et al. 2017; METHOD section 6)."""

import logging
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from esm2_amp.cluster import Cluster
from esm2_amp.explanation.context import ModelContext
from esm2_amp.explanation.paths import PathIntegrator, integrate_paths
from esm2_amp.explanation.results import Explanation, Explanations, LabelledArray, importance_table
from esm2_amp.explanation.selection import pair_ids
from esm2_amp.features import ProteinFeatures
from esm2_amp.models.base import PairNetwork
from esm2_amp.models.storage import TrainedModel
from esm2_amp.pairs import Pairs
from esm2_amp.parameters.interpretability import GradientParameters
from esm2_amp.progress import Progress
from esm2_amp.protein import pair_token_names

logger = logging.getLogger(__name__)


class Attributions(NamedTuple):
    """Integrated Gradients of B pairs.

    Attributes
    ----------
    attribution : ndarray, shape (B, T, D), float32
        What each feature adds to the logit, from the baseline's to the pair's.
    logit : ndarray, shape (B,), float32
        The pairs' logits.
    baseline_logit : float
        The baseline's logit.
    delta : ndarray, shape (B,), float64
        Sum of a pair's attributions minus (logit − baseline_logit); 0 for an exact integral.
    steps : ndarray, shape (B,), int64
        Points at which the gradient was computed for each pair.
    gradient : ndarray, shape (B, T, D), float32, optional
        Mean gradient of the logit along the path; times the pair's distance from the baseline it is the attribution.
    """

    attribution: NDArray[np.float32]
    logit: NDArray[np.float32]
    baseline_logit: float
    delta: NDArray[np.float64]
    steps: NDArray[np.int64]
    gradient: NDArray[np.float32] | None = None

    def take(self, rows: NDArray[np.int64]) -> "Attributions":
        """Those of the pairs of these numbers."""
        gradient = None if self.gradient is None else self.gradient[rows]
        parts = self.attribution[rows], self.logit[rows], self.baseline_logit, self.delta[rows], self.steps[rows]
        return Attributions(*parts, gradient)

    @property
    def importance(self) -> NDArray[np.float32]:
        """Importance of each token, shape (B, T): mean |attribution| over its D features."""
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


class GradientPath(NamedTuple):
    """Integrated Gradients with their mean gradients, and where they start: what residues are explained from.

    Attributes
    ----------
    attributions : Attributions
        Of the explained pairs, in their order.
    pairs : Pairs
        The same pairs as the network reads them.
    baseline : Tensor, shape (T, D), float32
        Where the paths start.
    network : PairNetwork
        The explained network.
    features : ProteinFeatures
        What the pairs' vectors are read from.
    """

    attributions: Attributions
    pairs: Pairs
    baseline: Tensor
    network: PairNetwork
    features: ProteinFeatures

    @classmethod
    def taken_from(
        cls, explanations: Explanations, context: ModelContext, features: ProteinFeatures
    ) -> "tuple[GradientPath, ...]":
        """The path among the details of explanations, which is taken out of them; empty where there is none."""
        found = explanations.get("integrated_gradients")
        path = found.details.pop("path", None) if found is not None else None
        return () if path is None else (cls(path, context.pairs, context.baseline, context.network, features),)


def log_error(found: Attributions, parameters: GradientParameters) -> None:
    """Log for how many pairs the attributions add up, as a warning where these are too few."""
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


def mean_pair(pairs: Pairs) -> Tensor:
    """The baseline: the mean of background pairs, each in both orders; shape (T, D), float32.

    To the networks that are explained A-B and B-A are the same pair, which a baseline of one order would break.
    """
    protein = pairs.table[torch.cat([pairs.a, pairs.b])].float().mean(dim=0)
    return torch.cat([protein, protein])


def average_pair(model: TrainedModel, features: ProteinFeatures) -> Tensor:
    """The baseline without training pairs: the average protein of a model's training on both sides, shape (T, D).

    Where the model's folder holds none, as that of a published checkpoint, it is the average of the given proteins.
    """
    protein = model.average_protein
    if protein is None:
        protein = features.select(model.network.protein_tokens).float().mean(dim=0)
        logger.warning(
            "The model's folder holds no average protein of its training: Integrated Gradients start from the average "
            "of the %s given proteins",
            f"{len(features.index):,}",
        )
    return torch.cat([protein, protein])


def integrated_gradients(
    network: PairNetwork,
    pairs: Pairs,
    *,
    baseline: Tensor,
    parameters: GradientParameters,
    device: torch.device,
    keep_gradient: bool = False,
    cluster: Cluster | None = None,
) -> Attributions:
    """Attribute the logits of pairs to their features.

    What a pair gets doesn't depend on the others, but for rounding.

    Parameters
    ----------
    network : PairNetwork
        The explained network.
    pairs : Pairs
        The B pairs as the network reads them.
    baseline : Tensor, shape (T, D), float32
        Where the path to each pair starts.
    parameters : GradientParameters
        How the path is integrated.
    device : torch.device
        Where gradients are computed.
    keep_gradient : bool
        Whether the mean gradients are returned beside the attributions, in as much memory again.
    cluster : Cluster, optional
        Workers that share the pairs, `internal_batch` at a time.

    Raises
    ------
    InputError
        The cluster doesn't answer.
    """
    integrator = PathIntegrator(network, baseline.cpu(), parameters, device)
    on_device, start = integrator.placed
    with torch.inference_mode():
        baseline_logit = float(on_device(start[None]))
    count = len(pairs)
    blank = np.empty((count, *baseline.shape), dtype=np.float32)
    gradient = np.empty_like(blank) if keep_gradient else None
    logit, delta, steps = np.empty(count, dtype=np.float32), np.empty(count), np.empty(count, dtype=np.int64)
    found = Attributions(blank, logit, baseline_logit, delta, steps, gradient)
    progress = Progress(logger, "Integrated Gradients, pairs", count)
    pairs, size = pairs.to(torch.device("cpu")), parameters.internal_batch
    rows = torch.arange(count).split(size)
    parts = ((number, pairs.tokens(of_part)) for number, of_part in enumerate(rows))
    for number, along in integrate_paths(integrator, parts, cluster):
        at = rows[number].numpy()
        values = (along.gradient * (pairs.tokens(rows[number]) - integrator.baseline)).numpy()
        if gradient is not None:
            gradient[at] = along.gradient.numpy()
        found.attribution[at], found.logit[at], found.steps[at] = values, along.logit.numpy(), along.steps.numpy()
        found.delta[at] = values.sum(axis=(1, 2), dtype=np.float64) - (found.logit[at] - baseline_logit)
        progress.add(len(at))
    return found


def explain_by_gradients(context: ModelContext) -> Explanations:
    """Split the difference between a pair's score and that of an average pair among the pair's tokens.

    Integrated Gradients: the gradient of the score, summed along the way from the average pair (the baseline) to the
    explained one. The parts add up to the difference, which is checked. Details: `attributions`, the logit that each
    feature adds (pair × token × feature); and `contributions`, the logit that each token adds, its sign kept, with the
    pair's `Logit`, the `BaselineLogit`, the `Error` of the sum as a fraction of their difference, and the `Steps`.
    """
    found = integrated_gradients(
        context.network,
        context.pairs,
        baseline=context.baseline,
        parameters=context.gradients,
        device=context.device,
        keep_gradient=context.keep_path,
        cluster=context.cluster,
    )
    return {"integrated_gradients": explanation_of(found, context)}


def explanation_of(found: Attributions, context: ModelContext) -> Explanation:
    """The explanation of a context's pairs from their attributions, after logging whether these add up.

    For those who need the attributions themselves, too, such as for the pairs' residues.
    """
    log_error(found, context.gradients)
    tokens = context.network.protein_tokens
    axes = {
        "pair": np.array(pair_ids(context.explained)),
        "token": np.array(pair_token_names(tokens)),
        "feature": np.arange(found.attribution.shape[-1]),
    }
    contributions = importance_table(context.explained, found.attribution.sum(axis=-1), tokens).assign(
        Logit=found.logit, BaselineLogit=found.baseline_logit, Error=found.error, Steps=found.steps
    )
    explanation = Explanation.of_pairs(
        context.explained,
        found.importance,
        tokens,
        attributions=LabelledArray(found.attribution, axes),
        contributions=contributions,
        **({"path": found} if context.keep_path else {}),
    )
    return explanation._replace(check=found.summary(context.gradients))
