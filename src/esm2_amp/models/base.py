"""The base of all networks of pairs: which vectors of a protein they read, and how they are stored."""

from copy import deepcopy
from typing import Any, Self, cast

import torch
from huggingface_hub import PyTorchModelHubMixin
from torch import Tensor, nn


class PairNetwork(nn.Module, PyTorchModelHubMixin):
    """A network from the tokens of a pair to one logit.

    `save_pretrained`, `from_pretrained` and `push_to_hub` come from huggingface_hub: a folder with `config.json` (the
    arguments of the constructor) and `model.safetensors`.

    Attributes
    ----------
    protein_tokens : slice
        Which of a protein's 13 vectors, in the order of `esm2_amp.protein.TOKENS`, the network reads.
    symmetric : bool
        Whether swapping A and B leaves the logit as it is.
    """

    protein_tokens: slice
    symmetric: bool = True

    @property
    def sizes(self) -> dict[str, Any]:
        """The arguments of the constructor, `width` (D) among them."""
        return dict(self._hub_mixin_config)  # type: ignore[arg-type]

    def first_map(self) -> tuple[Tensor, Tensor]:
        """Weight and bias of the linear map that alone reads the vectors.

        Its weight has the shape (outputs, D), or (outputs, k · D) where it reads k vectors side by side. By default it
        is the first layer of the head. A network that reads vectors otherwise has its own `for_vectors_as_they_are`.
        """
        first = cast("nn.Sequential", self.mlp_layers)[0]
        return cast("Tensor", first.weight), cast("Tensor", first.bias)

    def for_vectors_as_they_are(self, mean: Tensor, deviation: Tensor) -> Self:
        """The network that gives for vectors x what this one gives for (x − mean) / deviation.

        The first linear map W x + b becomes (W / deviation) x + b − (W / deviation) mean.

        Parameters
        ----------
        mean, deviation : Tensor, shape (D,), float
            Of each dimension; no deviation is 0.
        """
        blocks = self.first_map()[0].shape[1] // len(mean)  # vectors that the map reads side by side
        return self._folded(mean.repeat(blocks), deviation.repeat(blocks))

    def _folded(self, shift: Tensor, scale: Tensor) -> Self:
        """The network whose first linear map reads x where that of this one reads (x − shift) / scale."""
        network = deepcopy(self)
        weight, bias = network.first_map()
        with torch.no_grad():
            weight /= scale
            bias -= weight @ shift
        return network

    def forward(self, tokens: Tensor) -> Tensor:
        """Logits of pairs.

        Parameters
        ----------
        tokens : Tensor, shape (B, T, D), float
            The vectors of partner A, then those of partner B.

        Returns
        -------
        logit : Tensor, shape (B,), float
        """
        raise NotImplementedError
