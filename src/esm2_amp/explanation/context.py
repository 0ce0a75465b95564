"""What methods of explanation need: the pairs, the model or the classifiers of latents, and the device."""

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from esm2_amp.cluster import Cluster
from esm2_amp.models.ae_dnn import AEDNN
from esm2_amp.models.base import PairNetwork
from esm2_amp.pairs import Pairs
from esm2_amp.parameters.interpretability import GradientParameters

if TYPE_CHECKING:
    from sklearn.ensemble import RandomForestClassifier


class ModelContext(NamedTuple):
    """What methods need that explain a model by its own attention or gradients.

    Attributes
    ----------
    explained : DataFrame, B rows
        `Protein1`, `Protein2`, `Label`, `Probability`, `Prediction`.
    pairs : Pairs
        The same pairs as the network reads them.
    network : PairNetwork
        The explained model.
    baseline : Tensor, shape (T, D), float32
        The average pair that attributions start from.
    chosen : list of int
        Rows of the pairs that get details and figures of their own.
    gradients : GradientParameters
        How Integrated Gradients are integrated.
    batch_size : int
        Pairs passed through the network at once.
    device : torch.device
        Where the pairs are explained.
    keep_path : bool
        Whether Integrated Gradients give their `Attributions`, with the mean gradients, as the detail `path`, which no
        file holds.
    cluster : Cluster, optional
        Workers that share the pairs.
    """

    explained: pd.DataFrame
    pairs: Pairs
    network: PairNetwork
    baseline: Tensor
    chosen: list[int]
    gradients: GradientParameters
    batch_size: int
    device: torch.device
    keep_path: bool = False
    cluster: Cluster | None = None


class LatentContext(NamedTuple):
    """What methods need that explain a classifier of latents.

    Attributes
    ----------
    explained : DataFrame, B rows
        As for `ModelContext`.
    protein_tokens : slice
        Which of a protein's vectors the latents are of.
    latents, background : DataFrame
        `A_cls_0` … `B_eos_149` of the explained pairs and of those that they are compared with.
    forest : RandomForestClassifier
        The classifier AE_RF.
    network : AEDNN
        The classifier AE_DNN.
    gradients : GradientParameters
        How Integrated Gradients of the network are integrated.
    device : torch.device
        Where the network is explained.
    """

    explained: pd.DataFrame
    protein_tokens: slice
    latents: pd.DataFrame
    background: pd.DataFrame
    forest: "RandomForestClassifier"
    network: AEDNN
    gradients: GradientParameters
    device: torch.device

    @property
    def values(self) -> NDArray[np.float32]:
        """Latents of the explained pairs, shape (B, D')."""
        return np.ascontiguousarray(self.latents, dtype=np.float32)

    @property
    def background_values(self) -> NDArray[np.float32]:
        """Latents of the background pairs, shape (pairs, D')."""
        return np.ascontiguousarray(self.background, dtype=np.float32)
