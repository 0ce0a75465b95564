"""ESM2_DPM: both proteins' mean vectors through a deep network (METHOD section 3)."""

from typing import cast

from torch import Tensor, nn

from esm2_amp.models.base import PairNetwork
from esm2_amp.models.heads import initialise_linear


class ESM2DPM(PairNetwork):
    """`A_mean ‖ B_mean` → h1 → h2 → h3 → 1, with LayerNorm then ReLU after each hidden layer.

    Parameters
    ----------
    width : int
        D of the encoder's features; the input is 2·D.
    h1, h2, h3 : int
        Hidden sizes.
    """

    protein_tokens = slice(12, 13)
    symmetric = False

    def __init__(self, width: int, h1: int, h2: int, h3: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for size_in, size_out in [(2 * width, h1), (h1, h2), (h2, h3)]:
            layers += [initialise_linear(nn.Linear(size_in, size_out)), nn.LayerNorm(size_out), nn.ReLU()]
        self.dnn_layers = nn.Sequential(*layers, initialise_linear(nn.Linear(h3, 1)))

    def first_map(self) -> tuple[Tensor, Tensor]:
        """The first layer."""
        first = cast("nn.Linear", self.dnn_layers[0])
        return first.weight, first.bias

    def forward(self, tokens: Tensor) -> Tensor:
        """Logits of pairs: (B, 2, D), or both vectors already side by side (B, 2·D), → (B,)."""
        logit: Tensor = self.dnn_layers(tokens.flatten(1)).squeeze(-1)  # (B,)
        return logit
