"""Nodes of `interpretability` on latents: what the classifiers of latents rest on, by SHAP and by gradients."""

from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from matplotlib.figure import Figure
from numpy.typing import NDArray
from sklearn.ensemble import RandomForestClassifier

from esm2_amp.devices import resolve_device
from esm2_amp.errors import InputError
from esm2_amp.explanation.figures import token_bars
from esm2_amp.explanation.gradients import integrated_gradients, tell_error
from esm2_amp.explanation.latent_attributions import additivity
from esm2_amp.explanation.latent_figures import beeswarm_figure
from esm2_amp.explanation.latent_forest import explain_forest
from esm2_amp.explanation.latent_network import deep_shap
from esm2_amp.explanation.latents import pair_features, token_means
from esm2_amp.explanation.methods import METHODS
from esm2_amp.explanation.selection import draw_background
from esm2_amp.explanation.tokens import importance_table, token_table
from esm2_amp.models.ae_dnn import AEDNN
from esm2_amp.models.storage import TrainedModel
from esm2_amp.parameters.interpretability import InterpretabilityParameters
from esm2_amp.parameters.latent_explanation import LatentParameters
from esm2_amp.parameters.run import RunParameters
from esm2_amp.pipelines.interpretability.latent_nodes import knowledge
from esm2_amp.pipelines.interpretability.nodes import title_of
from esm2_amp.protein import pair_token_names
from esm2_amp.statistics.metrics import Metrics

TREE_SHAP_EXACT_TO = 1e-6
"""Largest error of a pair's sum, in probability."""

_IDS = ["Protein1", "Protein2"]


class LatentExplanation(NamedTuple):
    """One method's results for the explained pairs, as numbers and as figures."""

    attributions: pd.DataFrame
    check: dict[str, Any]
    importance: pd.DataFrame
    tokens: pd.DataFrame
    plot: Figure
    summary: Figure


def gather_latents(
    explained: pd.DataFrame, pairs: pd.DataFrame, latents: pd.DataFrame, parameters: LatentParameters
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Put the latents of both partners side by side: of the explained pairs, and of those they are compared with.

    The background is drawn from the training pairs. SHAP asks what a pair's score would be if a latent had the value
    that it has in background pairs.

    Parameters
    ----------
    explained : DataFrame
        `explained_pairs`.
    pairs : DataFrame
        `model_pairs`.
    latents : DataFrame
    parameters : LatentParameters

    Returns
    -------
    explained_latents, background_latents : DataFrame
        `Protein1`, `Protein2`, then `A_cls_0` … `B_eos_149`.
    """
    background = draw_background(pairs, parameters.background.pairs, parameters.background.seed)
    of_explained, of_background = (table[_IDS].join(pair_features(latents, table)) for table in (explained, background))
    return of_explained, of_background


def explain_by_tree_shap(
    forest: RandomForestClassifier,
    metrics: Metrics,
    explained: pd.DataFrame,
    features: pd.DataFrame,
    background: pd.DataFrame,
    model: TrainedModel,
    interpretability: InterpretabilityParameters,
    run: RunParameters,
) -> LatentExplanation:
    """Say how much each latent of a pair moved the forest's probability (Tree SHAP).

    SHAP values are in units of probability. They are exact: a pair's values add up to its probability minus the mean
    over background pairs. A token's importance is the mean of its latents' absolute values.

    Parameters
    ----------
    forest : RandomForestClassifier
        AE_RF.
    metrics : dict
        Of the forest, for the figures' titles.
    explained : DataFrame
        `explained_pairs`.
    features, background : DataFrame
        Of `gather_latents`.
    model : TrainedModel
        The one whose tokens the latents are of.
    interpretability : InterpretabilityParameters
    run : RunParameters
    """
    found = explain_forest(forest, _numbers(features), _numbers(background))
    check = additivity(found, "Tree SHAP", exact_to=TREE_SHAP_EXACT_TO)
    title = _title("forest_shap", metrics, explained, model, interpretability, run)
    return _results("forest_shap", found.by_column, check, explained, features, model, title)


def explain_by_deep_shap(
    network: TrainedModel,
    explained: pd.DataFrame,
    features: pd.DataFrame,
    background: pd.DataFrame,
    model: TrainedModel,
    interpretability: InterpretabilityParameters,
    run: RunParameters,
) -> LatentExplanation:
    """Say how much each latent of a pair moved AE_DNN's logit (Deep SHAP).

    The values approximate SHAP values, in units of the logit (log-odds of interaction), and add up to the pair's logit
    minus the mean over background pairs. A token's importance is the mean of its latents' absolute values.

    Parameters
    ----------
    network : TrainedModel
        AE_DNN.
    explained, features, background, model, interpretability, run
        As for `explain_by_tree_shap`.
    """
    found = deep_shap(_ae_dnn(network), _numbers(features), _numbers(background), resolve_device(run.device))
    check = additivity(found, "Deep SHAP")
    title = _title("network_shap", network.card["test"], explained, model, interpretability, run)
    return _results("network_shap", found.by_column, check, explained, features, model, title)


def explain_by_latent_gradients(
    network: TrainedModel,
    explained: pd.DataFrame,
    features: pd.DataFrame,
    background: pd.DataFrame,
    model: TrainedModel,
    interpretability: InterpretabilityParameters,
    parameters: LatentParameters,
    run: RunParameters,
) -> LatentExplanation:
    """Say how much each latent of a pair moved AE_DNN's logit (Integrated Gradients).

    Gradients are summed on the straight way from the mean of the background pairs to the pair. The values are in units
    of the logit, and add up to the pair's logit minus that of the mean. A token's importance is the mean of its
    latents' absolute values.

    Parameters
    ----------
    network, explained, features, background, model, interpretability, run
        As for `explain_by_deep_shap`.
    parameters : LatentParameters
    """
    sides = torch.from_numpy(_numbers(features)).unflatten(1, (2, -1))  # (B, 2, D' / 2)
    rows = torch.arange(len(sides))
    found = integrated_gradients(
        _ae_dnn(network),
        sides.flatten(0, 1).unsqueeze(1),
        2 * rows,
        2 * rows + 1,
        baseline=torch.from_numpy(_numbers(background)).mean(dim=0).view(2, -1),
        parameters=parameters.gradients,
        device=resolve_device(run.device),
    )
    tell_error(found, parameters.gradients)
    by_column = found.attribution.reshape(len(sides), -1)
    title = _title("network_gradients", network.card["test"], explained, model, interpretability, run)
    check = found.summary(parameters.gradients)
    return _results("network_gradients", by_column, check, explained, features, model, title)


def _numbers(features: pd.DataFrame) -> NDArray[np.float32]:
    return np.ascontiguousarray(features.drop(columns=_IDS), dtype=np.float32)


def _ae_dnn(model: TrainedModel) -> AEDNN:
    if not isinstance(model.network, AEDNN):
        raise InputError(f"The classifier of latents must be an AE_DNN, got {model.architecture}; train it again")
    return model.network


def _title(
    method: str,
    metrics: Metrics,
    explained: pd.DataFrame,
    model: TrainedModel,
    interpretability: InterpretabilityParameters,
    run: RunParameters,
) -> str:
    return f"{title_of(model, METHODS[method].name, explained, interpretability, run)}\n{knowledge(metrics)}"


def _results(
    method: str,
    by_column: NDArray[np.floating],
    check: dict[str, Any],
    explained: pd.DataFrame,
    features: pd.DataFrame,
    model: TrainedModel,
    title: str,
) -> LatentExplanation:
    protein_tokens, columns = model.network.protein_tokens, features.columns.drop(_IDS).tolist()
    importance = token_means(by_column, protein_tokens)
    tokens = token_table(pair_token_names(protein_tokens), importance.mean(axis=0))
    attributions = pd.DataFrame(by_column.astype(np.float32), index=explained.index, columns=columns)
    unit = METHODS[method].unit
    return LatentExplanation(
        explained[_IDS].join(attributions),
        check,
        importance_table(explained, importance, protein_tokens),
        tokens,
        token_bars(tokens, title, unit),
        beeswarm_figure(by_column, _numbers(features), columns, title, _signed(unit)),
    )


def _signed(unit: str) -> str:
    """The unit of single attributions, from that of their mean absolute values."""
    return f"Attribution {unit[unit.rindex('(') :]}"
