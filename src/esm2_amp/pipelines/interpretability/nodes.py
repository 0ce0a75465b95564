"""Nodes of `interpretability`: which tokens of a pair a model's score rests on, by attention and by its gradients."""

from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from matplotlib.figure import Figure
from torch import Tensor

from esm2_amp.devices import resolve_device
from esm2_amp.errors import InputError
from esm2_amp.explanation import figures
from esm2_amp.explanation.attention import READINGS, read_attention, with_attention
from esm2_amp.explanation.gradients import integrated_gradients, mean_pair, tell_error
from esm2_amp.explanation.methods import METHODS, token_columns
from esm2_amp.explanation.selection import draw_background, draw_pairs, find_pairs, is_true_positive, pair_ids
from esm2_amp.explanation.tokens import importance_table, token_table
from esm2_amp.features import ProteinFeatures
from esm2_amp.io.arrays import LabelledArray
from esm2_amp.models.scoring import score_pairs
from esm2_amp.models.storage import TrainedModel
from esm2_amp.parameters.evaluation import EvaluationParameters
from esm2_amp.parameters.interpretability import InterpretabilityParameters
from esm2_amp.parameters.run import RunParameters
from esm2_amp.pipelines.model_training.nodes import check_rows
from esm2_amp.protein import pair_token_names
from esm2_amp.statistics.metrics import decisions, sigmoid
from esm2_amp.statistics.operating_points import best_threshold

MEAN_OF_PAIRS = "mean of all pairs"
"""Label of the averaged attention beside that of single pairs."""


class PairsOfModel(NamedTuple):
    """What a network needs to score pairs: its proteins' vectors, the rows of the partners, and where to compute."""

    table: Tensor
    a: Tensor
    b: Tensor
    device: torch.device


def select_explained_pairs(
    pairs: pd.DataFrame,
    features: ProteinFeatures,
    model: TrainedModel,
    parameters: InterpretabilityParameters,
    evaluation: EvaluationParameters,
    run: RunParameters,
) -> pd.DataFrame:
    """Choose the pairs that all methods explain: those asked for by name, and a sample of the test pairs.

    Half of the sample are interacting pairs that the model recognises (true positives), where there are enough.

    Returns
    -------
    explained_pairs : DataFrame
        `Protein1`, `Protein2`, `Label`, `Probability` that the model gives, `Prediction`, and the rows `a`, `b` of the
        partners among the protein features.
    """
    with_attention(model.network)
    check_rows(features, pairs)
    chosen = find_pairs(pairs, parameters.chosen_pairs, parameters.split)
    threshold = evaluation.threshold
    if threshold == "validation":
        held_out = pairs[pairs["split"] == "validation"]
        threshold = best_threshold(held_out["label"], _score(model, features, held_out, parameters, run))
    rows = np.flatnonzero(pairs["split"] == parameters.split)
    if not len(rows):
        raise InputError(
            f"interpretability.split must be one that holds pairs, but there are none in {parameters.split!r}; "
            "choose another"
        )
    scored = pairs.iloc[rows][["Protein1", "Protein2", "label", "a", "b"]].reset_index(drop=True)
    probability = sigmoid(_score(model, features, scored, parameters, run))
    prediction = decisions(probability, threshold)
    positions = np.searchsorted(rows, chosen).tolist()
    is_found = (scored["label"].to_numpy() == 1) & (prediction == 1)
    drawn = draw_pairs(is_found, parameters.pairs, positions, parameters.seed)
    scored = scored.assign(Label=scored["label"].astype("int8"), Probability=probability, Prediction=prediction)
    columns = ["Protein1", "Protein2", "Label", "Probability", "Prediction", "a", "b"]
    return scored.astype({"a": "int64", "b": "int64"}).iloc[drawn][columns].reset_index(drop=True)


def explain_by_attention(
    explained: pd.DataFrame,
    features: ProteinFeatures,
    model: TrainedModel,
    parameters: InterpretabilityParameters,
    run: RunParameters,
) -> tuple[LabelledArray, pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Read which tokens the model attends to while it scores each pair.

    A token's importance is the attention that it receives from all tokens: averaged over the layers, in the last layer,
    or followed through all layers to the input (rollout).

    Returns
    -------
    weights : LabelledArray
        Mean over the explained pairs, and each chosen pair's own: pair × layer × query × key.
    attention, last_layer, rollout : DataFrame
        Importance of each token of each pair.
    """
    of_model = pairs_of(model, features, explained, run)
    ids = pair_ids(explained)
    chosen = _chosen_among(explained, parameters)
    found = read_attention(
        model.network,
        of_model.table,
        of_model.a,
        of_model.b,
        chosen=chosen,
        batch_size=parameters.batch_size,
        device=of_model.device,
    )
    tokens = model.network.protein_tokens
    names = np.array(pair_token_names(tokens))
    axes = {
        "pair": np.array([MEAN_OF_PAIRS, *(ids[row] for row in chosen)]),
        "layer": np.arange(1, len(found.mean) + 1),
        "query": names,
        "key": names,
    }
    weights = LabelledArray(np.concatenate([found.mean[None], found.chosen]).astype(np.float32), axes)
    attention, last_layer, rolled = (
        importance_table(explained, importance, tokens) for importance in found.importance.values()
    )
    return weights, attention, last_layer, rolled


def draw_attention(
    weights: LabelledArray,
    attention: pd.DataFrame,
    last_layer: pd.DataFrame,
    rollout: pd.DataFrame,
    model: TrainedModel,
    parameters: InterpretabilityParameters,
    run: RunParameters,
) -> tuple[Any, ...]:
    """Draw attention as heat maps (rows: the tokens that attend; columns: those attended to) and as sorted bars.

    Returns
    -------
    maps : dict of str to Figure
        Every layer's weights, as the mean of all explained pairs and for each chosen pair.
    tokens, plot : DataFrame and Figure, three times
        Mean importance of each token by attention, its last layer and its rollout.
    """
    names = weights.axes["key"].tolist()
    mean, *single = weights.array
    title = title_of(model, "attention", attention, parameters, run)
    maps = {"all_pairs": figures.attention_map(mean, names, title)}
    for row, of_layers in zip(_chosen_among(attention, parameters), single, strict=True):
        pair = attention.iloc[row]
        title = f"{model.architecture}, attention\n{_of_pair(pair)}"
        maps[pair_ids(attention)[row]] = figures.attention_map(of_layers, names, title)
    of_tables = []
    for method, table in zip(READINGS, (attention, last_layer, rollout), strict=True):
        of_tables += [*rank_tokens(table, method, model, parameters, run, even=1 / len(names))]
    return maps, *of_tables


def explain_by_gradients(
    explained: pd.DataFrame,
    pairs: pd.DataFrame,
    features: ProteinFeatures,
    model: TrainedModel,
    parameters: InterpretabilityParameters,
    run: RunParameters,
) -> tuple[LabelledArray, pd.DataFrame, pd.DataFrame, dict[str, Any]]:
    """Split the difference between a pair's score and that of an average pair among the pair's tokens.

    Integrated Gradients: the gradient of the score, summed along the way from the average pair (the baseline) to the
    explained one. The parts add up to the difference, which is checked.

    Returns
    -------
    attributions : LabelledArray
        Logit that each feature adds: pair × token × feature.
    importance : DataFrame
        Mean absolute attribution over a token's features.
    contributions : DataFrame
        Logit that each token adds, its sign kept, with the pair's `Logit`, the `BaselineLogit`, the `Error` of the sum
        as a fraction of their difference, and the `Steps` taken.
    check : dict
        How well the attributions add up.
    """
    of_model, tokens = pairs_of(model, features, explained, run), model.network.protein_tokens
    found = integrated_gradients(
        model.network,
        of_model.table,
        of_model.a,
        of_model.b,
        baseline=baseline_of(model, features, pairs, parameters),
        parameters=parameters.integrated_gradients,
        device=of_model.device,
    )
    tell_error(found, parameters.integrated_gradients)
    axes = {
        "pair": np.array(pair_ids(explained)),
        "token": np.array(pair_token_names(tokens)),
        "feature": np.arange(found.attribution.shape[-1]),
    }
    contributions = importance_table(explained, found.attribution.sum(axis=-1), tokens).assign(
        Logit=found.logit, BaselineLogit=found.baseline_logit, Error=found.error, Steps=found.steps
    )
    return (
        LabelledArray(found.attribution, axes),
        importance_table(explained, found.importance, tokens),
        contributions,
        found.summary(parameters.integrated_gradients),
    )


def draw_gradients(
    importance: pd.DataFrame,
    contributions: pd.DataFrame,
    model: TrainedModel,
    parameters: InterpretabilityParameters,
    run: RunParameters,
) -> tuple[pd.DataFrame, Figure, dict[str, Figure]]:
    """Sort the tokens by their mean Integrated Gradients, and draw what each adds to the score of the chosen pairs.

    Returns
    -------
    tokens, plot : DataFrame and Figure
        Mean importance of each token.
    chosen : dict of str to Figure
        For each chosen pair the tokens that speak for an interaction (right) and against it (left).
    """
    names, ids = token_columns(contributions), pair_ids(contributions)
    chosen = {}
    for row in _chosen_among(contributions, parameters):
        pair = contributions.iloc[row]
        table = token_table(names, pair[names].astype(float))
        title = f"{model.architecture}, Integrated Gradients\n{_of_pair(pair)}"
        chosen[ids[row]] = figures.token_bars(table, title, "Contribution to the logit, by Integrated Gradients")
    return *rank_tokens(importance, "integrated_gradients", model, parameters, run), chosen


def rank_tokens(
    importance: pd.DataFrame,
    method: str,
    model: TrainedModel,
    parameters: InterpretabilityParameters,
    run: RunParameters,
    *,
    even: float | None = None,
) -> tuple[pd.DataFrame, Figure]:
    """Tokens by mean importance over the pairs, largest first, as a table and as bars.

    Parameters
    ----------
    importance : DataFrame
        An importance table.
    method : str
        One of `METHODS`.
    model, parameters, run
        What the title names.
    even : float, optional
        As for `token_bars`.
    """
    names = token_columns(importance)
    tokens = token_table(names, importance[names].mean())
    title = title_of(model, METHODS[method].name, importance, parameters, run)
    return tokens, figures.token_bars(tokens, title, METHODS[method].unit, even=even)


def baseline_of(
    model: TrainedModel, features: ProteinFeatures, pairs: pd.DataFrame, parameters: InterpretabilityParameters
) -> Tensor:
    """The average pair that explanations start from, shape (T, D): the mean of training pairs drawn with the seed."""
    background = draw_background(pairs, parameters.background, parameters.seed)
    used, rows = np.unique(background[["a", "b"]], return_inverse=True)
    a, b = torch.from_numpy(rows.reshape(-1, 2)).unbind(dim=1)
    return mean_pair(features.select(model.network.protein_tokens, used.tolist()), a, b)


def pairs_of(model: TrainedModel, features: ProteinFeatures, pairs: pd.DataFrame, run: RunParameters) -> PairsOfModel:
    """Rows and vectors of the pairs' proteins; other proteins' vectors aren't read."""
    check_rows(features, pairs)
    used, rows = np.unique(pairs[["a", "b"]], return_inverse=True)
    a, b = torch.from_numpy(rows.reshape(-1, 2)).unbind(dim=1)
    table = features.select(model.network.protein_tokens, used.tolist())
    return PairsOfModel(table, a, b, resolve_device(run.device))


def _score(
    model: TrainedModel,
    features: ProteinFeatures,
    pairs: pd.DataFrame,
    parameters: InterpretabilityParameters,
    run: RunParameters,
) -> np.ndarray:
    table, a, b, device = pairs_of(model, features, pairs, run)
    return score_pairs(model.network, table, a, b, batch_size=parameters.batch_size, device=device)


def _chosen_among(explained: pd.DataFrame, parameters: InterpretabilityParameters) -> list[int]:
    """Rows of the chosen pairs, in the order in which they were asked for."""
    return find_pairs(explained.assign(split=parameters.split), parameters.chosen_pairs, parameters.split)


def _of_pair(pair: pd.Series) -> str:
    """A pair, its label and its probability, for a title."""
    label = "interacting" if pair["Label"] else "not interacting"
    return f"{pair['Protein1']}-{pair['Protein2']} ({label}; probability {pair['Probability']:.3f})"


def title_of(
    model: TrainedModel, what: str, explained: pd.DataFrame, parameters: InterpretabilityParameters, run: RunParameters
) -> str:
    """What a figure shows, of which model and pairs."""
    kind = "true positives" if is_true_positive(explained).all() else "pairs"
    return f"{model.architecture}, {what}\n{len(explained):,} {parameters.split} {kind} of {run.data_name}"
