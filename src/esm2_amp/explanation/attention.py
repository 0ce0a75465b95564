"""Attention of ESM2_AMPS and ESM2_AMP_CSE, read in the forward pass that scores the pairs (METHOD section 6)."""

from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any, Final, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from esm2_amp.errors import InputError
from esm2_amp.explanation.context import ModelContext
from esm2_amp.explanation.results import Explanation, Explanations, LabelledArray
from esm2_amp.explanation.selection import pair_ids
from esm2_amp.models.amp import TransformerPairNetwork
from esm2_amp.models.base import PairNetwork
from esm2_amp.models.ensemble import members_of
from esm2_amp.models.registry import MODELS
from esm2_amp.pairs import Pairs
from esm2_amp.protein import pair_token_names

MODELS_WITH_ATTENTION: Final = tuple(
    name for name, entry in MODELS.items() if issubclass(entry.network, TransformerPairNetwork)
)


class PairAttention(NamedTuple):
    """What is kept of the attention in B pairs: not the T² weights of each, so that memory doesn't grow with them.

    Attributes
    ----------
    logit : ndarray, shape (B,), float32
        The logits of the forward pass that the weights are from.
    importance : dict of str to ndarray, shape (B, T), float32
        The importance of each token by each of `READINGS`; every row sums to 1.
    mean : ndarray, shape (layers, T, T), float64
        The head-averaged weights, query by key, averaged over the pairs.
    chosen : ndarray, shape (chosen, layers, T, T), float32
        The head-averaged weights of single pairs.
    """

    logit: NDArray[np.float32]
    importance: dict[str, NDArray[np.float32]]
    mean: NDArray[np.float64]
    chosen: NDArray[np.float32]


def require_attention(network: PairNetwork) -> list[TransformerPairNetwork]:
    """Return the members of the network, a single one as its own, or raise InputError where they have no attention."""
    members = [member for member in members_of(network) if isinstance(member, TransformerPairNetwork)]
    if not members:
        first = members_of(network)[0]
        found = next((name for name, entry in MODELS.items() if isinstance(first, entry.network)), "another network")
        raise InputError(
            f"Attention can be read from {' and '.join(MODELS_WITH_ATTENTION)}, got {found}, which has none"
        )
    return members


def score_with_attention(network: TransformerPairNetwork, tokens: Tensor) -> tuple[Tensor, Tensor]:
    """Logits of pairs, and the attention weights that they were computed with.

    Parameters
    ----------
    network : TransformerPairNetwork
        A single network, in eval mode.
    tokens : Tensor, shape (B, T, D), float
        The tokens of the pairs.

    Returns
    -------
    logit : Tensor, shape (B,), float
    weights : Tensor, shape (B, layers, T, T), float
        Averaged over heads; rows (queries) sum to 1.
    """
    of_layers: list[Tensor] = []

    def with_weights(_: nn.Module, args: Any, options: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        return args, options | {"need_weights": True, "average_attn_weights": True}

    def record(_: nn.Module, __: Any, found: tuple[Tensor, Tensor]) -> None:
        of_layers.append(found[1])

    with ExitStack() as hooks:  # on a layer they keep PyTorch from its fused path, which would hide the weights
        for layer in network.transformer_encoder.layers:
            hooks.enter_context(layer.self_attn.register_forward_pre_hook(with_weights, with_kwargs=True))
            hooks.enter_context(layer.self_attn.register_forward_hook(record))
        logit = network(tokens)
    return logit, torch.stack(of_layers, dim=1)


def received(weights: Tensor) -> Tensor:
    """Attention that each token receives, averaged over queries and layers: (B, layers, T, T) → (B, T)."""
    return weights.mean(dim=(1, 2))


def received_in_last_layer(weights: Tensor) -> Tensor:
    """Attention that each token receives in the last layer, averaged over queries: (B, layers, T, T) → (B, T)."""
    return weights[:, -1].mean(dim=1)


def rollout(weights: Tensor) -> Tensor:
    """Attention followed through all layers to the input tokens: (B, layers, T, T) → (B, T).

    Each layer's weights are mixed with the identity in equal parts, for the residual connection, and multiplied
    (Abnar and Zuidema 2020); then averaged over the tokens of the last layer, as the head averages them.
    """
    identity = torch.eye(weights.shape[-1], device=weights.device, dtype=weights.dtype)
    rolled = identity.expand(len(weights), -1, -1)
    for of_layer in weights.unbind(dim=1):
        rolled = (of_layer + identity) / 2 @ rolled
    return rolled.mean(dim=1)


READINGS: Final = {
    "attention": received,
    "attention_last_layer": received_in_last_layer,
    "attention_rollout": rollout,
}
"""How a token's importance is read from the weights, by the name of the method."""


@torch.inference_mode()
def read_attention(
    network: PairNetwork,
    pairs: Pairs,
    *,
    chosen: Sequence[int] = (),
    batch_size: int,
    device: torch.device,
) -> PairAttention:
    """Score pairs and read the attention on the way, batch by batch.

    Of an ensemble the weights are read in each member, and so is the importance of tokens; the means are kept.

    Parameters
    ----------
    network : PairNetwork
        One of `MODELS_WITH_ATTENTION`, or an ensemble of such.
    pairs : Pairs
        At least one pair.
    chosen : sequence of int
        The numbers of the pairs whose weights are kept.
    batch_size : int
        Pairs passed through the network at once.
    device : torch.device
        Where the pairs are scored.

    Raises
    ------
    InputError
        The network has no attention.
    """
    members = [member.to(device).eval() for member in require_attention(network)]
    pairs = pairs.to(device)
    logits, readings, total = [], [], torch.zeros(())
    kept: dict[int, Tensor] = {}
    for rows in pairs.batches(batch_size):
        logit, weights, importances = _mean_over_members(members, pairs.tokens(rows))
        logits.append(logit)
        readings.append(importances)
        total = total + weights.double().sum(dim=0)
        kept |= {row: weights[row - rows[0]].clone() for row in chosen if rows[0] <= row <= rows[-1]}
    importance = (torch.cat(parts).numpy() for parts in zip(*readings, strict=True))
    shape = (0, *total.shape)
    return PairAttention(
        logit=torch.cat(logits).numpy(),
        importance=dict(zip(READINGS, importance, strict=True)),
        mean=(total / len(pairs)).numpy(),
        chosen=torch.stack([kept[row] for row in chosen]).numpy() if chosen else np.empty(shape, dtype=np.float32),
    )


def _mean_over_members(
    members: Sequence[TransformerPairNetwork], tokens: Tensor
) -> tuple[Tensor, Tensor, list[Tensor]]:
    """Logits, weights, and importances by each of `READINGS`; each the mean of the members' own, on the CPU."""
    found = [[part.float().cpu() for part in score_with_attention(member, tokens)] for member in members]
    logit, weights = (torch.stack(of_members).mean(dim=0) for of_members in zip(*found, strict=True))
    readings = [torch.stack([read(of[1]) for of in found]).mean(dim=0) for read in READINGS.values()]
    return logit, weights, readings


MEAN_OF_PAIRS: Final = "mean of all pairs"
"""Label of the averaged attention beside that of single pairs."""


def explain_by_attention(context: ModelContext) -> Explanations:
    """Read which tokens the model attends to while it scores each pair.

    A token's importance is the attention that it receives from all tokens: averaged over the layers, in the last layer,
    or followed through all layers to the input (rollout). The first explanation has the `weights` in its details: mean
    over the pairs, and each chosen pair's own, pair × layer × query × key.
    """
    found = read_attention(
        context.network, context.pairs, chosen=context.chosen, batch_size=context.batch_size, device=context.device
    )
    tokens, ids = context.network.protein_tokens, pair_ids(context.explained)
    names = np.array(pair_token_names(tokens))
    axes = {
        "pair": np.array([MEAN_OF_PAIRS, *(ids[row] for row in context.chosen)]),
        "layer": np.arange(1, len(found.mean) + 1),
        "query": names,
        "key": names,
    }
    weights = LabelledArray(np.concatenate([found.mean[None], found.chosen]).astype(np.float32), axes)
    details: dict[str, Any] = {"attention": {"weights": weights}}
    return {
        method: Explanation.of_pairs(context.explained, importance, tokens, **details.get(method, {}))
        for method, importance in found.importance.items()
    }
