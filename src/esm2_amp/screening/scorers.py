"""Networks rearranged for scoring many pairs of few proteins: what is common to many pairs is computed once (METHOD 9).

The first linear layer of DPM and MEAN splits into one product a protein; the first encoder layer of the transformers
normalises and maps single tokens; the GRU reads A before it sees B; the tower of SIAM reads single proteins. The scores
equal the network's, but for rounding.
"""

from abc import ABC, abstractmethod
from typing import Final, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from esm2_amp.errors import InputError
from esm2_amp.models.amp import TransformerPairNetwork
from esm2_amp.models.base import PairNetwork
from esm2_amp.models.dpm import ESM2DPM
from esm2_amp.models.ensemble import Ensemble, members_of
from esm2_amp.models.gru import ESM2GRU
from esm2_amp.models.mean import ESM2MEAN
from esm2_amp.models.siam import ESM2SIAM

Prepared = tuple[Tensor, ...]
"""What a scorer computes once for each of n proteins: tensors whose first axis are the proteins."""

FLOATS_AT_ONCE: Final = {"cpu": 1 << 18, "cuda": 1 << 27, "mps": 1 << 25}
"""Numbers that the pairs scored together may fill, by the type of the device: on the CPU they stay in its cache."""

FEWEST_AT_ONCE: Final = 32
"""With fewer pairs, a product of matrices waits for the weights."""


class Scorer(ABC):
    """Scores pairs of prepared proteins.

    Parameters
    ----------
    network : PairNetwork
        Set to eval mode, on its device and in its number format.

    Attributes
    ----------
    floats_per_pair : int
        Numbers that a pair fills while it is scored.
    floats_per_protein : int
        Numbers that a prepared protein fills.
    members : int
        How many networks score each pair: of an ensemble its members, else one.
    symmetric : bool
        Whether swapping the partners leaves the logit as it is.
    """

    floats_per_pair: int
    floats_per_protein: int
    members: int = 1

    def __init__(self, network: PairNetwork) -> None:
        self._network, self.symmetric = network.eval(), network.symmetric
        weight = next(network.parameters())
        self.device, self.dtype = weight.device, weight.dtype

    @abstractmethod
    def prepare(self, vectors: Tensor) -> Prepared:
        """What scoring needs of each of n proteins.

        Parameters
        ----------
        vectors : Tensor, shape (n, T / 2, D), float
            The vectors that the network reads, on any device.
        """

    @abstractmethod
    def score(self, a: Prepared, b: Prepared) -> Tensor:
        """Logits of all pairs of r proteins with c proteins.

        Where the network sees the order of the partners, the mean of both orders' logits.

        Parameters
        ----------
        a, b : tuple of Tensor
            Of `prepare`, for r and for c proteins.

        Returns
        -------
        logit : Tensor, shape (r, c), float32
        """

    @abstractmethod
    def score_rows(self, prepared: Prepared, a: Tensor, b: Tensor) -> Tensor:
        """Logits of r pairs, each read in its one order, A before B.

        Parameters
        ----------
        prepared : tuple of Tensor
            Of `prepare`, for n proteins.
        a, b : Tensor, shape (r,), int64
            Rows of the partners among them, on the scorer's device.

        Returns
        -------
        logit : Tensor, shape (r,), float32
        """

    def score_members(self, prepared: Prepared, a: Tensor, b: Tensor) -> Tensor:
        """Logits of r pairs, as `score_rows`, by each member: shape (r, K), float32."""
        return self.score_rows(prepared, a, b)[:, None]

    def _read(self, vectors: Tensor) -> Tensor:
        return vectors.to(self.device, self.dtype)


class DPMScorer(Scorer):
    """`W [a ‖ b] = W_A a + W_B b`: two products a protein, and per pair a sum and the layers after it."""

    def __init__(self, network: ESM2DPM) -> None:
        super().__init__(network)
        self._first, self._rest = _split(network.dnn_layers)
        h1, both = self._first.weight.shape
        self.floats_per_pair, self.floats_per_protein = 2 * h1, 2 * h1
        self._of_a, self._of_b = self._first.weight.split(both // 2, dim=1)  # (h1, D) each

    def prepare(self, vectors: Tensor) -> Prepared:
        """The shares of a protein in the first layer as A, with the bias, and as B: shape (n, h1) each."""
        mean = self._read(vectors)[:, 0]  # (n, D)
        return F.linear(mean, self._of_a, self._first.bias), F.linear(mean, self._of_b)

    def score(self, a: Prepared, b: Prepared) -> Tensor:
        """Means of both orders' logits: shape (r, c), float32."""
        one: Tensor = self._rest(a[0][:, None] + b[1])
        other: Tensor = self._rest(a[1][:, None] + b[0])
        return (one.float() + other.float()).squeeze(-1) / 2

    def score_rows(self, prepared: Prepared, a: Tensor, b: Tensor) -> Tensor:
        """Logits: shape (r,), float32."""
        logit: Tensor = self._rest(prepared[0][a] + prepared[1][b])
        return logit.float().squeeze(-1)


class MeanScorer(Scorer):
    """The mean over both proteins' tokens, and so the first linear layer, is half of A's and half of B's."""

    def __init__(self, network: ESM2MEAN) -> None:
        super().__init__(network)
        self._first, self._rest = _split(network.mlp_layers)
        h1 = self._first.weight.shape[0]
        self.floats_per_pair, self.floats_per_protein = 2 * h1, h1

    def prepare(self, vectors: Tensor) -> Prepared:
        """Half of the first layer of each protein: shape (n, h1)."""
        return (F.linear(self._read(vectors).mean(dim=1), self._first.weight, self._first.bias) / 2,)

    def score(self, a: Prepared, b: Prepared) -> Tensor:
        """Logits: shape (r, c), float32."""
        logit: Tensor = self._rest(a[0][:, None] + b[0]).float()
        return logit[..., 0]

    def score_rows(self, prepared: Prepared, a: Tensor, b: Tensor) -> Tensor:
        """Logits: shape (r,), float32."""
        logit: Tensor = self._rest(prepared[0][a] + prepared[0][b])
        return logit.float().squeeze(-1)


class SiameseScorer(Scorer):
    """The tower once a protein; of the MLP's first layer, which reads sum and product, the sum's part, too."""

    def __init__(self, network: ESM2SIAM) -> None:
        super().__init__(network)
        self._tower = network.protein_vectors
        self._first, self._rest = _split(network.mlp_layers)
        h3, both = self._first.weight.shape
        self._of_sum, self._of_product = self._first.weight.split(both // 2, dim=1)  # (h3, h2) each
        self.floats_per_pair, self.floats_per_protein = both // 2 + 2 * h3, both // 2 + h3

    def prepare(self, vectors: Tensor) -> Prepared:
        """The tower's vector of each protein, (n, h2), and its part of the sum's, half of the bias with it, (n, h3)."""
        of_protein = self._tower(self._read(vectors))
        return of_protein, F.linear(of_protein, self._of_sum, self._first.bias / 2)

    def score(self, a: Prepared, b: Prepared) -> Tensor:
        """Logits: shape (r, c), float32."""
        return self._logit(a[0][:, None] * b[0], a[1][:, None] + b[1])

    def score_rows(self, prepared: Prepared, a: Tensor, b: Tensor) -> Tensor:
        """Logits: shape (r,), float32."""
        of_protein, of_sum = prepared
        return self._logit(of_protein[a] * of_protein[b], of_sum[a] + of_sum[b])

    def _logit(self, product: Tensor, of_sum: Tensor) -> Tensor:
        logit: Tensor = self._rest(F.linear(product, self._of_product) + of_sum).float()
        return logit[..., 0]


class TransformerScorer(Scorer):
    """Norm and query, key and value maps of the first layer once a protein; the last linear layer on the mean token."""

    def __init__(self, network: TransformerPairNetwork) -> None:
        super().__init__(network)
        self._layers = [cast("nn.TransformerEncoderLayer", layer) for layer in network.transformer_encoder.layers]
        self._standardise, self._head = network.standardise, network.mlp_layers
        first, tokens = self._layers[0], len(range(*network.protein_tokens.indices(13)))
        width, feed_forward = first.linear1.in_features, first.linear1.out_features
        self._heads = first.self_attn.num_heads
        self.floats_per_pair = 2 * tokens * max(feed_forward + 2 * width, 5 * width)
        self.floats_per_protein = 4 * tokens * width

    def prepare(self, vectors: Tensor) -> Prepared:
        """Tokens (n, t, D), and their queries, keys and values in the first layer (n, t, 3, H, D / H); t = T / 2."""
        tokens = self._standardise(self._read(vectors))
        return tokens, self._maps(self._layers[0], tokens)

    def score(self, a: Prepared, b: Prepared) -> Tensor:
        """Logits: shape (r, c), float32."""
        tokens, maps = (_side_by_side(*both) for both in zip(a, b, strict=True))
        return self._of_pairs(tokens, maps).view(len(a[0]), len(b[0]))

    def score_rows(self, prepared: Prepared, a: Tensor, b: Tensor) -> Tensor:
        """Logits: shape (r,), float32."""
        tokens, maps = (torch.cat([of_proteins[a], of_proteins[b]], dim=1) for of_proteins in prepared)
        return self._of_pairs(tokens, maps)

    def _of_pairs(self, tokens: Tensor, maps: Tensor) -> Tensor:
        """Logits of pairs with tokens (B, T, D), which are overwritten, and maps (B, T, 3, H, D / H): (B,), float32."""
        for number, layer in enumerate(self._layers):
            maps = maps if number == 0 else self._maps(layer, tokens)
            query, key, value = (part.transpose(1, 2) for part in maps.unbind(dim=2))  # (B, H, T, D / H)
            context = F.scaled_dot_product_attention(query, key, value).transpose(1, 2).flatten(2)  # (B, T, D)
            tokens += layer.self_attn.out_proj(context)
            hidden = layer.linear1(layer.norm2(tokens)).relu_()  # (B, T, feed-forward)
            if number == len(self._layers) - 1:  # the mean over tokens and a linear layer can be swapped
                tokens, hidden = tokens.mean(dim=1), hidden.mean(dim=1)
            tokens += layer.linear2(hidden)
        logit: Tensor = self._head(tokens)
        return logit.float().squeeze(-1)

    def _maps(self, layer: nn.TransformerEncoderLayer, tokens: Tensor) -> Tensor:
        attention = layer.self_attn
        weight, bias = cast("Tensor", attention.in_proj_weight), cast("Tensor", attention.in_proj_bias)
        maps = F.linear(layer.norm1(tokens), weight, bias)  # (n, t, 3 D)
        return maps.view(*maps.shape[:2], 3, self._heads, -1)


class GRUScorer(Scorer):
    """A's ten steps are a common prefix, once a protein, and so are the input products of the lowest layer."""

    def __init__(self, network: ESM2GRU) -> None:
        super().__init__(network)
        self._gru, self._head = network.gru, network.mlp_layers
        self._weights = [self._of_layer(layer) for layer in range(self._gru.num_layers)]
        width, steps = self._gru.hidden_size, 10
        self.floats_per_pair = 4 * steps * width
        self.floats_per_protein = (3 * steps + 4 * self._gru.num_layers + 1) * width

    def prepare(self, vectors: Tensor) -> Prepared:
        """What is left of a protein read as A, and what is known of it as B.

        Returns
        -------
        state : Tensor, shape (n, layers, D)
            Hidden states after its segments.
        recurrent : Tensor, shape (n, layers, 3 D)
            Products of these states for the step that follows.
        total : Tensor, shape (n, D)
            Sum of the upper layer's states over its segments.
        inputs : Tensor, shape (n, steps, 3 D)
            Products of its segments in the lowest layer.
        """
        segments = self._read(vectors)
        states, last = self._gru(segments)
        recurrent = [F.linear(h, w[2], w[3]) for h, w in zip(last, self._weights, strict=True)]
        inputs = F.linear(segments, self._weights[0][0], self._weights[0][1])
        return last.transpose(0, 1).contiguous(), torch.stack(recurrent, dim=1), states.sum(dim=1), inputs

    def score(self, a: Prepared, b: Prepared) -> Tensor:
        """Means of both orders' logits: shape (r, c), float32."""
        one, other = (
            self._one_order(first[0][:, None], first[1][:, None], first[2][:, None], second[3])
            for first, second in ((a, b), (b, a))
        )
        return (one + other.T) / 2

    def score_rows(self, prepared: Prepared, a: Tensor, b: Tensor) -> Tensor:
        """Logits: shape (r,), float32."""
        state, recurrent, total, inputs = prepared
        return self._one_order(state[a], recurrent[a], total[a], inputs[b])

    def _one_order(self, state: Tensor, recurrent: Tensor, total: Tensor, inputs: Tensor) -> Tensor:
        """Logits of A's segments before B's, for the parts of `prepare` of A and of B, whose first axes broadcast.

        Parameters
        ----------
        state : Tensor, shape (r, layers, D) or (r, 1, layers, D)
            Of A; `recurrent` and `total` likewise.
        inputs : Tensor, shape (r, steps, 3 D) or (c, steps, 3 D)
            Of B.

        Returns
        -------
        logit : Tensor, shape (r,) or (r, c), float32
        """
        steps = inputs.shape[-2]
        products = [inputs[:, step] for step in range(steps)]  # (r or c, 3 D) each, in higher layers (B, 3 D)
        states: list[Tensor] = []
        for layer, (w_input, b_input, w_hidden, b_hidden) in enumerate(self._weights):
            if layer:
                products = list(F.linear(torch.stack(states), w_input, b_input))  # (r, 3 D) or (r, c, 3 D)
            hidden, recurring, states = state[..., layer, :], recurrent[..., layer, :], []
            for step in range(steps):
                if step:
                    recurring = F.linear(hidden, w_hidden, b_hidden)
                hidden = _gated(products[step], recurring, hidden)
                states.append(hidden)
        both = total + torch.stack(states).sum(dim=0)  # (r, D) or (r, c, D)
        logit: Tensor = self._head(both / (2 * steps))
        return logit.float().squeeze(-1)

    def _of_layer(self, layer: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Weight and bias of the inputs, weight and bias of the hidden state."""
        names = (f"{kind}_l{layer}" for kind in ("weight_ih", "bias_ih", "weight_hh", "bias_hh"))
        w_input, b_input, w_hidden, b_hidden = (getattr(self._gru, name) for name in names)
        return w_input, b_input, w_hidden, b_hidden


class EnsembleScorer(Scorer):
    """The mean of the members' scores; what one member prepares of a protein stands behind that of the one before."""

    def __init__(self, network: Ensemble) -> None:
        super().__init__(network)
        self._scorers = [scorer_of(member) for member in members_of(network)]
        self.members = len(self._scorers)
        self.floats_per_pair = max(scorer.floats_per_pair for scorer in self._scorers)
        self.floats_per_protein = sum(scorer.floats_per_protein for scorer in self._scorers)

    def prepare(self, vectors: Tensor) -> Prepared:
        """What each member prepares, one after the other."""
        return tuple(part for scorer in self._scorers for part in scorer.prepare(vectors))

    def score(self, a: Prepared, b: Prepared) -> Tensor:
        """Means of the members' scores: shape (r, c), float32."""
        each = len(a) // self.members
        logits = [
            scorer.score(a[first : first + each], b[first : first + each])
            for first, scorer in zip(range(0, len(a), each), self._scorers, strict=True)
        ]
        return torch.stack(logits).mean(dim=0)

    def score_rows(self, prepared: Prepared, a: Tensor, b: Tensor) -> Tensor:
        """Means of the members' scores: shape (r,), float32."""
        return self.score_members(prepared, a, b).mean(dim=1)

    def score_members(self, prepared: Prepared, a: Tensor, b: Tensor) -> Tensor:
        """Each member's scores, one beside the other: shape (r, K), float32."""
        each = len(prepared) // self.members
        logits = [
            scorer.score_rows(prepared[first : first + each], a, b)
            for first, scorer in zip(range(0, len(prepared), each), self._scorers, strict=True)
        ]
        return torch.stack(logits, dim=1)


_SCORERS: Final[dict[type[PairNetwork], type[Scorer]]] = {
    ESM2DPM: DPMScorer,
    ESM2MEAN: MeanScorer,
    ESM2SIAM: SiameseScorer,
    TransformerPairNetwork: TransformerScorer,
    ESM2GRU: GRUScorer,
    Ensemble: EnsembleScorer,
}


def scorer_of(network: PairNetwork) -> Scorer:
    """The scorer of a network, on the network's device and in its number format.

    Raises
    ------
    InputError
        No scorer is written for such a network.
    """
    for kind, scorer in _SCORERS.items():
        if isinstance(network, kind):
            return scorer(network)  # type: ignore[arg-type]
    known = ", ".join(kind.__name__ for kind in _SCORERS if kind is not Ensemble)
    raise InputError(f"Screening must be by a network of {known}, got {type(network).__name__}; choose another model")


def pairs_at_once(scorer: Scorer) -> int:
    """Pairs that are best scored together on the scorer's device."""
    return max(FEWEST_AT_ONCE, FLOATS_AT_ONCE.get(scorer.device.type, FLOATS_AT_ONCE["cpu"]) // scorer.floats_per_pair)


def _split(layers: nn.Sequential) -> tuple[nn.Linear, nn.Sequential]:
    """The first layer, and those after it."""
    first, *rest = layers
    return cast("nn.Linear", first), nn.Sequential(*rest)


def _side_by_side(a: Tensor, b: Tensor) -> Tensor:
    """All pairs of r with c proteins, A's t rows before B's: (r, t, …), (c, t, …) → (r · c, 2 t, …)."""
    shape = len(a), len(b), *a.shape[1:]
    return torch.cat([a[:, None].expand(shape), b[None].expand(shape)], dim=2).flatten(0, 1)


def _gated(inputs: Tensor, recurring: Tensor, hidden: Tensor) -> Tensor:
    """The next hidden state of a GRU from the products of input and hidden state, which broadcast (Cho et al. 2014)."""
    width = hidden.shape[-1]
    gates = (inputs[..., : 2 * width] + recurring[..., : 2 * width]).sigmoid_()
    reset, update = gates.split(width, dim=-1)
    new: Tensor = (reset * recurring[..., 2 * width :]).add_(inputs[..., 2 * width :]).tanh_()
    return torch.lerp(new, hidden, update)
