"""ESM2_AMPS and ESM2_AMP_CSE: a transformer encoder over the tokens of a pair (METHOD section 3)."""

from torch import Tensor, nn

from esm2_amp.errors import InputError
from esm2_amp.models.base import PairNetwork
from esm2_amp.models.heads import mean_over_tokens, mlp_head


class TransformerPairNetwork(PairNetwork):
    """Pre-norm transformer encoder, mean over tokens, MLP.

    There are neither positions nor a marker of the protein that a token comes from, so a pair is a bag of tokens:
    swapping A and B, or shuffling segments, leaves the logit unchanged.

    Parameters
    ----------
    width : int
        D of the encoder's features.
    h1, h2 : int
        Hidden sizes of the MLP.
    layers, heads, feed_forward : int
        Size of the transformer encoder; D must be divisible by `heads`.
    dropout : float
        Fraction that the encoder's layers drop while the network is trained.
    """

    def __init__(
        self,
        width: int,
        h1: int,
        h2: int,
        layers: int = 6,
        heads: int = 8,
        feed_forward: int = 2048,
        dropout: float = 0.3,
    ) -> None:
        super().__init__()
        if width % heads:
            raise InputError(f"The width of the features must be divisible by heads, got width {width}, heads {heads}")
        layer = nn.TransformerEncoderLayer(
            width, heads, feed_forward, dropout, activation="relu", batch_first=True, norm_first=True
        )
        self.transformer_encoder = nn.TransformerEncoder(layer, layers, enable_nested_tensor=False)
        self.mlp_layers = mlp_head(width, h1, h2)

    def forward(self, tokens: Tensor) -> Tensor:
        """Logits of pairs: (B, T, D) → (B,)."""
        states = self.transformer_encoder(tokens)  # (B, T, D)
        logit: Tensor = self.mlp_layers(mean_over_tokens(states)).squeeze(-1)  # (B,)
        return logit


class ESM2AMPS(TransformerPairNetwork):
    """The 20 segment means of a pair through a transformer encoder."""

    protein_tokens = slice(1, 11)


class ESM2AMPCSE(TransformerPairNetwork):
    """`cls`, the 10 segment means and `eos` of both proteins, 24 tokens, through a transformer encoder."""

    protein_tokens = slice(0, 12)
