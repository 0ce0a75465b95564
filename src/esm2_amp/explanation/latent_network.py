"""LatentAttributions of AE_DNN's logit to the latents of pairs: Deep SHAP and Integrated Gradients (captum)."""

import logging
import warnings
from collections.abc import Callable

import torch
from captum.attr import DeepLiftShap, IntegratedGradients
from torch import Tensor

from esm2_amp.explanation.latent_attributions import LatentAttributions
from esm2_amp.explanation.latents import PairFeatures
from esm2_amp.models.ae_dnn import AEDNN
from esm2_amp.progress import Progress

logger = logging.getLogger(__name__)

_ROWS_AT_ONCE = 4096
"""Pairs times background pairs that Deep SHAP passes through the network together."""


def deep_shap(
    network: AEDNN, pairs: PairFeatures, background: PairFeatures, device: torch.device
) -> LatentAttributions:
    """Deep SHAP: DeepLIFT's rescale rule, averaged over a background of pairs.

    Parameters
    ----------
    network : AEDNN
    pairs, background : PairFeatures
    device : torch.device
    """
    baselines = torch.from_numpy(background.latents).to(device)
    method = DeepLiftShap(network.to(device).eval())

    def attribute(inputs: Tensor) -> Tensor:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Setting forward, backward hooks")
            values: Tensor = method.attribute(inputs, baselines)
        return values

    at_once = max(1, _ROWS_AT_ONCE // len(baselines))
    return _explain(network, pairs, baselines, attribute, "Deep SHAP, pairs", at_once)


def integrated_gradients(
    network: AEDNN, pairs: PairFeatures, background: PairFeatures, device: torch.device, *, steps: int, batch_size: int
) -> LatentAttributions:
    """Integrated Gradients from the mean of a background of pairs.

    Parameters
    ----------
    network : AEDNN
    pairs, background : PairFeatures
    device : torch.device
    steps : int
        Of the path (Gauss-Legendre).
    batch_size : int
        Points on the paths that pass through the network together.
    """
    baseline = torch.from_numpy(background.latents).to(device).mean(dim=0, keepdim=True)
    method = IntegratedGradients(network.to(device).eval())

    def attribute(inputs: Tensor) -> Tensor:
        values: Tensor = method.attribute(inputs, baseline, n_steps=steps, internal_batch_size=batch_size)
        return values

    return _explain(network, pairs, baseline, attribute, "Integrated Gradients, pairs", batch_size)


def _explain(
    network: AEDNN,
    pairs: PairFeatures,
    baselines: Tensor,
    attribute: Callable[[Tensor], Tensor],
    what: str,
    at_once: int,
) -> LatentAttributions:
    progress, values, logits = Progress(logger, what, len(pairs.latents)), [], []
    for some in torch.from_numpy(pairs.latents).split(at_once):
        inputs = some.to(baselines.device)
        values.append(attribute(inputs).detach().cpu().double())
        with torch.inference_mode():
            logits.append(network(inputs).cpu().double())
        progress.add(len(some))
    with torch.inference_mode():
        expected = float(network(baselines).double().mean())
    network.cpu()
    difference = torch.cat(logits).numpy() - expected
    return LatentAttributions(torch.cat(values).numpy(), expected, difference)
