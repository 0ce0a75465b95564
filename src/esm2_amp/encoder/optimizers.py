"""Optimisers of a small encoder: AdamW for all weights, or Muon for the matrices of its layers."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from torch.nn import Parameter
from torch.optim import AdamW, Muon, Optimizer
from typing_extensions import override


def adamw(weights: Iterable[Parameter], learning_rate: float, weight_decay: float) -> AdamW:
    """AdamW with the momenta of ESM-2; biases and norms have no weight decay."""
    given = list(weights)
    decayed = {"params": [weight for weight in given if weight.ndim > 1], "weight_decay": weight_decay}
    plain = {"params": [weight for weight in given if weight.ndim <= 1], "weight_decay": 0.0}
    return AdamW([decayed, plain], lr=learning_rate, betas=(0.9, 0.98))


def muon(
    matrices: Sequence[Parameter], others: Iterable[Parameter], learning_rate: float, weight_decay: float
) -> "Together":
    """Muon for the matrices of layers, AdamW for all else (Jordan et al. 2024; steps scaled as by Liu et al. 2025).

    A step of Muon is the nearest orthogonal matrix to the momentum, as large as a step of AdamW at the same rate.
    """
    of_matrices = Muon(matrices, lr=learning_rate, weight_decay=weight_decay, adjust_lr_fn="match_rms_adamw")
    return Together([of_matrices, adamw(others, learning_rate, weight_decay)])


class Together(Optimizer):
    """Optimisers of different weights as one: a step is a step of each.

    Parameters
    ----------
    optimizers : sequence of Optimizer
        No weight is in two of them.
    """

    def __init__(self, optimizers: Sequence[Optimizer]) -> None:
        super().__init__([group for optimizer in optimizers for group in optimizer.param_groups], {})
        self._optimizers = list(optimizers)
        self._share()

    def _share(self) -> None:
        """Let the optimisers have the groups and the state of this one, which schedules and checkpoints change."""
        groups = iter(self.param_groups)
        for optimizer in self._optimizers:
            optimizer.param_groups = [next(groups) for _ in optimizer.param_groups]
            optimizer.state = self.state

    @override
    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        super().load_state_dict(state_dict)
        self._share()

    @override
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for optimizer in self._optimizers:
            optimizer.step()
        return loss
