"""ESM2_MEAN: the ablation without an encoder (METHOD section 3)."""

from torch import Tensor

from esm2_amp.models.base import PairNetwork
from esm2_amp.models.heads import mean_over_tokens, mlp_head


class ESM2MEAN(PairNetwork):
    """The mean of the 20 segment means of a pair through the MLP alone.

    Parameters
    ----------
    width : int
        D of the encoder's features.
    h1, h2 : int
        Hidden sizes of the MLP.
    """

    protein_tokens = slice(1, 11)

    def __init__(self, width: int, h1: int, h2: int) -> None:
        super().__init__()
        self.mlp_layers = mlp_head(width, h1, h2)

    def forward(self, tokens: Tensor) -> Tensor:
        """Logits of pairs: (B, T, D) → (B,)."""
        logit: Tensor = self.mlp_layers(mean_over_tokens(tokens)).squeeze(-1)  # (B,)
        return logit
