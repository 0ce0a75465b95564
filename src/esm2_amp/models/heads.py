"""The classifier head that AMPS, AMP_CSE, GRU and MEAN share."""

from torch import Tensor, nn


def initialise_linear(layer: nn.Linear) -> nn.Linear:
    """Kaiming normal weights (fan-in, ReLU) and zero biases, as in METHOD section 3."""
    nn.init.kaiming_normal_(layer.weight, mode="fan_in", nonlinearity="relu")
    nn.init.zeros_(layer.bias)
    return layer


def mlp_head(width: int, h1: int, h2: int) -> nn.Sequential:
    """D → h1 → h2 → 1 with ReLU between; the indices 0, 2, 4 are the published names of its layers."""
    sizes = [(width, h1), (h1, h2), (h2, 1)]
    first, second, third = (initialise_linear(nn.Linear(*size)) for size in sizes)
    return nn.Sequential(first, nn.ReLU(), second, nn.ReLU(), third)


def mean_over_tokens(tokens: Tensor) -> Tensor:
    """Mean over the tokens of each pair: (B, T, D) → (B, D)."""
    return tokens.mean(dim=1)
