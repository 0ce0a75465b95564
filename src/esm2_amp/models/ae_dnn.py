"""AE_DNN: a classifier of pairs by their latents, trained in order to be explained (METHOD section 6.3)."""

from torch import Tensor

from esm2_amp.models.base import PairNetwork
from esm2_amp.models.heads import mlp_head


class AEDNN(PairNetwork):
    """Both proteins' latents side by side → h1 → h2 → 1, ReLU.

    Parameters
    ----------
    width : int
        Latents of one protein: T / 2 tokens with K each; the input D' is twice as wide.
    h1, h2 : int
        Hidden sizes.
    """

    protein_tokens = slice(None)

    def __init__(self, width: int, h1: int, h2: int) -> None:
        super().__init__()
        self.mlp_layers = mlp_head(2 * width, h1, h2)

    def forward(self, tokens: Tensor) -> Tensor:
        """Logits of pairs: (B, 2, D' / 2), or both proteins' latents already side by side (B, D'), → (B,)."""
        logit: Tensor = self.mlp_layers(tokens.flatten(1)).squeeze(-1)  # (B,)
        return logit
