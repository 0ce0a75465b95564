"""Attributions of AE_DNN's logit to the latents of pairs, by Deep SHAP and Integrated Gradients (captum)."""

import logging
import warnings

import numpy as np
import torch
from captum.attr import DeepLiftShap
from numpy.typing import NDArray

from esm2_amp.explanation.context import LatentContext
from esm2_amp.explanation.gradients import integrated_gradients, log_error
from esm2_amp.explanation.latent_attributions import LatentAttributions, additivity
from esm2_amp.explanation.latents import explanation_of_latents
from esm2_amp.explanation.results import Explanations
from esm2_amp.models.ae_dnn import AEDNN
from esm2_amp.pairs import Pairs
from esm2_amp.progress import Progress

logger = logging.getLogger(__name__)

_ROWS_AT_ONCE = 4096
"""Pairs times background pairs that pass through the network together."""


def deep_shap(
    network: AEDNN, pairs: NDArray[np.float32], background: NDArray[np.float32], device: torch.device
) -> LatentAttributions:
    """Deep SHAP: DeepLIFT's rescale rule, averaged over a background of pairs; both are rows of D' latents."""
    network = network.to(device).eval()
    baselines, method = torch.from_numpy(background).to(device), DeepLiftShap(network)
    expected, parts = float(_logits(network, background, device).mean()), []
    progress = Progress(logger, "Deep SHAP, pairs", len(pairs))
    for some in torch.from_numpy(pairs).split(max(1, _ROWS_AT_ONCE // len(baselines))):
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Setting forward, backward hooks")
            parts.append(method.attribute(some.to(device), baselines).detach().cpu().double())
        progress.add(len(some))
    difference = _logits(network, pairs, device) - expected
    network.cpu()
    return LatentAttributions(torch.cat(parts).numpy(), expected, difference)


@torch.inference_mode()
def _logits(network: AEDNN, pairs: NDArray[np.float32], device: torch.device) -> NDArray[np.float64]:
    batches = torch.from_numpy(pairs).split(_ROWS_AT_ONCE)
    return torch.cat([network(some.to(device)).cpu().double() for some in batches]).numpy()


def explain_by_deep_shap(context: LatentContext) -> Explanations:
    """Measure how much each latent of a pair moved AE_DNN's logit (Deep SHAP).

    The values approximate SHAP values, in units of the logit (log-odds of interaction), and add up to the pair's logit
    minus the mean over background pairs. A token's importance is the mean of its latents' absolute values.
    """
    found = deep_shap(context.network, context.values, context.background_values, context.device)
    return {"network_shap": explanation_of_latents(context, found.by_column, additivity(found, "Deep SHAP"))}


def explain_by_latent_gradients(context: LatentContext) -> Explanations:
    """Measure how much each latent of a pair moved AE_DNN's logit (Integrated Gradients).

    Gradients are summed on the straight way from the mean of the background pairs to the pair. The values are in units
    of the logit, and add up to the pair's logit minus that of the mean. A token's importance is the mean of its
    latents' absolute values.
    """
    sides = torch.from_numpy(context.values).unflatten(1, (2, -1))  # (B, 2, D' / 2)
    rows = torch.arange(len(sides))
    found = integrated_gradients(
        context.network,
        Pairs(sides.flatten(0, 1).unsqueeze(1), 2 * rows, 2 * rows + 1),
        baseline=torch.from_numpy(context.background_values).mean(dim=0).view(2, -1),
        parameters=context.gradients,
        device=context.device,
    )
    log_error(found, context.gradients)
    by_column = found.attribution.reshape(len(sides), -1)
    return {"network_gradients": explanation_of_latents(context, by_column, found.summary(context.gradients))}
