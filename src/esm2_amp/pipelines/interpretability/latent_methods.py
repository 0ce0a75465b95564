"""Nodes of `interpretability` on latents: what the classifiers of latents rest on, by SHAP and by gradients."""

from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from matplotlib.figure import Figure
from numpy.typing import NDArray
from sklearn.ensemble import RandomForestClassifier

from esm2_amp.encoder.embedding import resolve_device
from esm2_amp.errors import InputError
from esm2_amp.evaluation.metrics import Metrics
from esm2_amp.explanation.figures import token_bars
from esm2_amp.explanation.gradients import integrated_gradients, tell_error
from esm2_amp.explanation.latent_attributions import additivity
from esm2_amp.explanation.latent_figures import beeswarm_figure
from esm2_amp.explanation.latent_forest import explain_forest
from esm2_amp.explanation.latent_network import deep_shap
from esm2_amp.explanation.latents import PairFeatures, pair_features, token_means
from esm2_amp.explanation.methods import METHODS
from esm2_amp.explanation.selection import draw_background
from esm2_amp.explanation.tokens import importance_table, pair_token_names
from esm2_amp.models.ae_dnn import AEDNN
from esm2_amp.models.storage import TrainedModel
from esm2_amp.pipelines.interpretability.latent_nodes import LatentParameters, knowledge, network_table, token_table
from esm2_amp.pipelines.interpretability.nodes import InterpretabilityParameters, title_of
from esm2_amp.pipelines.model_training.nodes import RunParameters

TREE_SHAP_EXACT_TO = 1e-6
"""Largest error of a pair's sum, in probability."""


class LatentContext(NamedTuple):
    """What the explanations of both classifiers share.

    Attributes
    ----------
    explained : DataFrame
        `explained_pairs`.
    features, background : PairFeatures
        Of the explained pairs, and of random training pairs.
    model : TrainedModel
        The model whose tokens the latents are of.
    interpretability : InterpretabilityParameters
    parameters : LatentParameters
    run : RunParameters
    """

    explained: pd.DataFrame
    features: PairFeatures
    background: PairFeatures
    model: TrainedModel
    interpretability: InterpretabilityParameters
    parameters: LatentParameters
    run: RunParameters


class LatentExplanation(NamedTuple):
    """One method's results for the explained pairs, as numbers and as figures."""

    attributions: pd.DataFrame
    check: dict[str, Any]
    importance: pd.DataFrame
    tokens: pd.DataFrame
    plot: Figure
    summary: Figure


def gather_latents(
    explained: pd.DataFrame,
    pairs: pd.DataFrame,
    latents: pd.DataFrame,
    model: TrainedModel,
    interpretability: InterpretabilityParameters,
    parameters: LatentParameters,
    run: RunParameters,
) -> LatentContext:
    """Put together the latents of the explained pairs and of the pairs that they are compared with."""
    background = draw_background(pairs, parameters.background.pairs, parameters.background.seed)
    return LatentContext(
        explained, pair_features(latents, explained), pair_features(latents, background), model, interpretability,
        parameters, run,
    )  # fmt: skip
