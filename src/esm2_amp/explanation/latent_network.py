"""Attributions of AE_DNN's logit to the latents of pairs, by Deep SHAP (captum)."""

import logging
import warnings

import numpy as np
import torch
from captum.attr import DeepLiftShap
from numpy.typing import NDArray

from esm2_amp.explanation.latent_attributions import LatentAttributions
from esm2_amp.models.ae_dnn import AEDNN
from esm2_amp.progress import Progress

logger = logging.getLogger(__name__)

_ROWS_AT_ONCE = 4096
"""Pairs times background pairs that pass through the network together."""


def deep_shap(
    network: AEDNN, pairs: NDArray[np.float32], background: NDArray[np.float32], device: torch.device
) -> LatentAttributions:
    """Deep SHAP: DeepLIFT's rescale rule, averaged over a background of pairs.

    Parameters
    ----------
    network : AEDNN
    pairs, background : ndarray, shape (…, D'), float32
    device : torch.device
    """
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
