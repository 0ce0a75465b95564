"""The control with randomised weights: an explanation that stays as it was isn't one of the model.

Modules are initialised anew one after the other, from the head down to the first layer, as in the cascading
randomisation of Adebayo et al. 2018.
"""

import copy
from collections.abc import Callable, Iterator, Mapping

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from esm2_amp.explanation.agreement import rank_correlation
from esm2_amp.explanation.attention import require_attention
from esm2_amp.models.amp import TransformerPairNetwork
from esm2_amp.models.base import PairNetwork
from esm2_amp.models.ensemble import joined

Explain = Callable[[PairNetwork], Mapping[str, NDArray[np.floating]]]
"""From a network to each method's importances of the same pairs, (B, T)."""


def cascade(network: TransformerPairNetwork, seed: int) -> Iterator[tuple[str, TransformerPairNetwork]]:
    """A copy of the network with more and more of its modules initialised anew, after the name of the last one."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        fresh = type(network)(**network.sizes)
    randomised = copy.deepcopy(network).cpu()
    randomised.mlp_layers = fresh.mlp_layers
    yield "head", randomised
    layers = randomised.transformer_encoder.layers
    for number in reversed(range(len(layers))):
        # a layer of TransformerEncoder is a copy of one prototype, so that all begin with equal weights
        layers[number] = fresh.transformer_encoder.layers[number]
        yield f"layer {number + 1}", randomised


def randomised_weights(network: PairNetwork, explain: Explain, seed: int) -> pd.DataFrame:
    """How alike the explanations of a trained and of a randomised network are.

    The members of an ensemble are initialised anew together, each from a seed of its own.

    Parameters
    ----------
    network : PairNetwork
        The trained network, one with attention, or an ensemble of such.
    explain : callable
        Explains the same pairs by a network.
    seed : int
        Seed of the random weights.

    Returns
    -------
    table : DataFrame
        `Stage`, the number of modules initialised anew; `Module`, the last of them; `Method`; `Correlation`, the median
        over pairs of Spearman's correlation with the trained network's explanation, and its quartiles `Low`, `High`.
    """
    cascades = [cascade(member, seed + number) for number, member in enumerate(require_attention(network))]
    trained, rows = explain(network), []
    for stage, of_members in enumerate(zip(*cascades, strict=True), start=1):
        module = of_members[0][0]
        for method, importance in explain(joined([member for _, member in of_members])).items():
            correlation = rank_correlation(trained[method], importance)
            low, median, high = np.nanquantile(correlation, [0.25, 0.5, 0.75])
            rows.append((stage, module, method, median, low, high))
    return pd.DataFrame(rows, columns=["Stage", "Module", "Method", "Correlation", "Low", "High"])
