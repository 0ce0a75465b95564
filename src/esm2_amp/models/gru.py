"""ESM2_GRU: a recurrent network over the segments of a pair (METHOD section 3)."""

from typing import cast

from torch import Tensor, nn

from esm2_amp.models.base import PairNetwork
from esm2_amp.models.heads import mean_over_tokens, mlp_head


class ESM2GRU(PairNetwork):
    """The 20 segment means of a pair, A's before B's, through a unidirectional GRU of hidden size D.

    The GRU reads in order, so unlike the transformer its logit changes when A and B are swapped.

    Parameters
    ----------
    width : int
        D of the encoder's features, and the hidden size.
    h1, h2 : int
        Hidden sizes of the MLP.
    layers : int
        Layers of the GRU.
    dropout : float
        Fraction that is dropped between the layers of the GRU while the network is trained.
    """

    protein_tokens = slice(1, 11)
    symmetric = False

    def __init__(self, width: int, h1: int, h2: int, layers: int = 6, dropout: float = 0.3) -> None:
        super().__init__()
        self.gru = nn.GRU(width, width, layers, batch_first=True, dropout=dropout if layers > 1 else 0.0)
        for name, parameter in self.gru.named_parameters():
            if name.startswith("weight_ih"):
                nn.init.kaiming_normal_(parameter, mode="fan_in", nonlinearity="relu")
            elif name.startswith("weight_hh"):
                nn.init.orthogonal_(parameter)
            else:
                nn.init.zeros_(parameter)
        self.mlp_layers = mlp_head(width, h1, h2)

    def first_map(self) -> tuple[Tensor, Tensor]:
        """What the first layer's gates read of a segment."""
        return cast("Tensor", self.gru.weight_ih_l0), cast("Tensor", self.gru.bias_ih_l0)

    def forward(self, tokens: Tensor) -> Tensor:
        """Logits of pairs: (B, T, D) → (B,)."""
        states, _ = self.gru(tokens)  # (B, T, D)
        logit: Tensor = self.mlp_layers(mean_over_tokens(states)).squeeze(-1)  # (B,)
        return logit
