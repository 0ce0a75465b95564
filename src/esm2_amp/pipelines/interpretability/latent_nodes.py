"""Nodes of `interpretability` on latents: the autoencoder, and two classifiers of its latents, explained."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from matplotlib.figure import Figure
from sklearn.ensemble import RandomForestClassifier
from torch import Tensor

from esm2_amp.encoder.embedding import resolve_device
from esm2_amp.encoder.pooling import TOKENS
from esm2_amp.errors import InputError
from esm2_amp.evaluation.metrics import Metrics, pair_metrics
from esm2_amp.explanation.autoencoder import Autoencoder, load_autoencoder
from esm2_amp.explanation.autoencoder_fit import AutoencoderFit, AutoencoderSettings, fit_autoencoder
from esm2_amp.explanation.latent_attributions import LatentAttributions, additivity
from esm2_amp.explanation.latent_figures import autoencoder_figure, beeswarm_figure, token_bars
from esm2_amp.explanation.latent_forest import ForestSettings, LabelledPairs, explain_forest, fit_forest, forest_logits
from esm2_amp.explanation.latent_network import deep_shap, integrated_gradients
from esm2_amp.explanation.latents import (
    FITTED,
    HELD_OUT,
    UNSEEN,
    PairFeatures,
    background_pairs,
    latent_table,
    latent_values,
    pair_features,
    protein_groups,
    reconstruct,
    reconstruction_table,
    token_means,
)
from esm2_amp.explanation.tokens import importance_table, pair_token_names
from esm2_amp.features import ProteinFeatures
from esm2_amp.models.ae_dnn import AEDNN
from esm2_amp.models.registry import MODELS, AEDNNConfig
from esm2_amp.models.storage import TrainedModel
from esm2_amp.parameters import Parameters
from esm2_amp.pipelines.model_training.nodes import RunParameters, check_rows
from esm2_amp.training.fit import fit_network, pair_columns
from esm2_amp.training.plots import training_figure
from esm2_amp.training.score import score_pairs
from esm2_amp.training.settings import Count, ModelSettings, TrainingSettings

TREE_SHAP_EXACT_TO = 1e-6


class LatentNetworkSettings(Parameters):
    """AE_DNN: its sizes by name of the explained model, and how it is fitted."""

    sizes: dict[str, AEDNNConfig]
    training: TrainingSettings


class BackgroundSettings(Parameters):
    """The training pairs that attributions compare a pair with."""

    pairs: Count
    seed: int


class GradientSettings(Parameters):
    """Integrated Gradients on AE_DNN: steps of the path, and points passed through the network at once."""

    steps: Count
    batch_size: Count


class LatentParameters(Parameters):
    """The autoencoder, the classifiers on its latents, and their explanation."""

    autoencoder: AutoencoderSettings
    forest: ForestSettings
    network: LatentNetworkSettings
    background: BackgroundSettings
    gradients: GradientSettings


class LatentExplanation(NamedTuple):
    """One method's results for the explained pairs, as numbers and as figures."""

    values: pd.DataFrame
    additivity: dict[str, float]
    importance: pd.DataFrame
    tokens: pd.DataFrame
    plot: Figure
    summary: Figure


def train_autoencoder(
    pairs: pd.DataFrame,
    features: ProteinFeatures,
    checkpoints: Path,
    settings: ModelSettings,
    parameters: LatentParameters,
    run: RunParameters,
) -> tuple[Autoencoder, pd.DataFrame, pd.DataFrame, pd.DataFrame, Figure]:
    """Compress each feature vector into a few numbers (latents), and measure what they keep.

    Every vector of every protein (one per segment, and cls and eos) is a sample. The network learns to rebuild it from
    its latents, on proteins of the training pairs; others tell how much of the variance the latents keep. On the
    latents, simpler classifiers can be trained that are explained more exactly than the model itself.

    Parameters
    ----------
    pairs : DataFrame
        `model_pairs` of `pair_building`.
    features : ProteinFeatures
    checkpoints : Path
        Folder that an interrupted fit goes on from.
    settings : ModelSettings
        Of the explained model, which decides the tokens.
    parameters : LatentParameters
    run : RunParameters

    Returns
    -------
    autoencoder : Autoencoder
    latents : DataFrame
        Of `latent_table`.
    record : DataFrame
        A row per epoch.
    reconstruction : DataFrame
        Of `reconstruction_table`.
    figure : Figure
    """
    check_rows(features, pairs)
    model = settings.network.architecture
    tokens = MODELS[model].network.protein_tokens
    table, options = features.select(tokens), parameters.autoencoder
    if model in options.weights:
        network = load_autoencoder(options.weights[model])
        check_sizes(network, features.width, options.latent, options.weights[model])
        fit = AutoencoderFit(network, pd.DataFrame(columns=["epoch", "training_loss", "validation_loss", "selected"]))
        group = np.full(len(table), UNSEEN, dtype=object)
    else:
        group = protein_groups(pairs, len(table), options.held_out, run.seed)
        fitted, held_out = (table[torch.from_numpy(group == name)].flatten(0, 1) for name in (FITTED, HELD_OUT))
        fit = fit_autoencoder(
            fitted, held_out, options, name=f"{model} autoencoder", folder=checkpoints, device=run.device, seed=run.seed
        )
    result = reconstruct(fit.network, table, resolve_device(run.device))
    report = reconstruction_table(table, result.squared_error, group, TOKENS[tokens])
    latents = latent_table(features.entries, TOKENS[tokens], result.latents)
    figure = autoencoder_figure(fit.record, report, f"Autoencoder of {model}'s features, {run.data_name}")
    return fit.network, latents, fit.record, report, figure


def check_sizes(network: Autoencoder, width: int, latent: int, path: Path) -> None:
    """Raise InputError when loaded weights are for other features, or give other latents than configured."""
    for what, found, wanted, remedy in [
        ("features of width D", network.width, width, "give the autoencoder that was trained on this encoder"),
        ("a latent width", network.latent, latent, f"set latent_explanation.autoencoder.latent={network.latent}"),
    ]:
        if found != wanted:
            raise InputError(f"{path} must be an autoencoder for {what} = {wanted}, got {found}; {remedy}")


def train_forest(
    pairs: pd.DataFrame,
    latents: pd.DataFrame,
    studies: Path,
    settings: ModelSettings,
    parameters: LatentParameters,
    run: RunParameters,
) -> tuple[RandomForestClassifier, pd.DataFrame, pd.DataFrame, Metrics, pd.DataFrame, Figure]:
    """Train a random forest (AE_RF) to tell interacting pairs from others by their latents.

    Optuna searches for the forest's best parameters. Gini importance says which tokens its trees split by: one value
    per token for all pairs. The metrics on test pairs say how much the forest knows, and so how far its explanation
    can be trusted.

    Parameters
    ----------
    pairs : DataFrame
        `model_pairs` of `pair_building`.
    latents : DataFrame
    studies : Path
        Folder that an interrupted search goes on from.
    settings, parameters, run
        As for `train_autoencoder`.
    """
    model = settings.network.architecture
    training, validation, test = (
        _labelled(pairs[pairs["split"] == split], latents) for split in ("train", "validation", "test")
    )
    fit = fit_forest(training, validation, parameters.forest, name=f"{model} AE_RF", folder=studies, seed=run.seed)
    metrics = pair_metrics(test.label, forest_logits(fit.forest, test.latents))
    tokens = _token_table(
        token_means(fit.forest.feature_importances_, MODELS[model].network.protein_tokens),
        pair_token_names(MODELS[model].network.protein_tokens),
    )
    figure = token_bars(tokens, f"{model}: AE_RF, Gini importance", "Mean decrease in impurity (fraction)")
    return fit.forest, fit.best, fit.trials, metrics, tokens, figure


def _labelled(pairs: pd.DataFrame, latents: pd.DataFrame) -> LabelledPairs:
    return LabelledPairs(pair_features(latents, pairs).latents, pairs["label"].to_numpy(np.int64))


def explain_by_tree_shap(
    forest: RandomForestClassifier,
    pairs: pd.DataFrame,
    latents: pd.DataFrame,
    explained: pd.DataFrame,
    settings: ModelSettings,
    parameters: LatentParameters,
) -> LatentExplanation:
    """Say how much each latent of a pair moved the forest's probability (Tree SHAP).

    SHAP values are in units of probability, exact, and add up to the pair's probability minus the mean over background
    pairs. A token's importance is the mean of its latents' absolute values.

    Parameters
    ----------
    forest : RandomForestClassifier
    pairs : DataFrame
        `model_pairs`, from whose training pairs the background is drawn.
    latents : DataFrame
    explained : DataFrame
        `explained_pairs`.
    settings, parameters
        As for `train_autoencoder`.
    """
    features, background = _explained_and_background(pairs, latents, explained, parameters)
    attributions = explain_forest(forest, features, background)
    report = additivity(attributions, "Tree SHAP", exact_to=TREE_SHAP_EXACT_TO)
    return _explanation(attributions, report, features, explained, settings, "AE_RF, Tree SHAP", "probability")


def train_latent_network(
    pairs: pd.DataFrame,
    latents: pd.DataFrame,
    checkpoints: Path,
    settings: ModelSettings,
    parameters: LatentParameters,
    run: RunParameters,
) -> tuple[TrainedModel, pd.DataFrame, Metrics, Figure]:
    """Train a small neural network (AE_DNN) to tell interacting pairs from others by their latents.

    It is trained like the models themselves, and measured on the test pairs, so that its explanation can be trusted as
    far as it is right.

    Parameters
    ----------
    pairs : DataFrame
        `model_pairs` of `pair_building`.
    latents : DataFrame
    checkpoints : Path
        Folder that an interrupted fit goes on from.
    settings, parameters, run
        As for `train_autoencoder`.
    """
    model = settings.network.architecture
    if model not in parameters.network.sizes:
        raise InputError(f"latent_explanation.network.sizes must give h1 and h2 for {model}; add them")
    own = ModelSettings(network=parameters.network.sizes[model], training=parameters.network.training)
    train, validation, test = (pairs[pairs["split"] == split] for split in ("train", "validation", "test"))
    for part in (train, validation, test):
        pair_features(latents, part.head(1))
    table = _network_table(latents)
    fit = fit_network(
        table, pair_columns(train), pair_columns(validation), own, folder=checkpoints, device=run.device, seed=run.seed
    )
    a, b, label = pair_columns(test)
    logit = score_pairs(fit.network, table, a, b, batch_size=own.training.batch_size, device=resolve_device(run.device))
    card = {"model": "AE_DNN", "latents_of": model, "settings": own.model_dump(), "seed": run.seed,
            "data": run.data_name}  # fmt: skip
    return (
        TrainedModel("AE_DNN", fit.network, card),
        fit.record,
        pair_metrics(label.numpy(), logit),
        training_figure(fit.record, f"{model}: AE_DNN, {run.data_name}"),
    )


def _network_table(latents: pd.DataFrame) -> Tensor:
    """Latents as AE_DNN reads them: one vector per protein, (P, 1, D' / 2)."""
    return torch.from_numpy(latent_values(latents)).unsqueeze(1)


def explain_by_deep_shap(
    network: TrainedModel,
    pairs: pd.DataFrame,
    latents: pd.DataFrame,
    explained: pd.DataFrame,
    settings: ModelSettings,
    parameters: LatentParameters,
    run: RunParameters,
) -> LatentExplanation:
    """Say how much each latent of a pair moved AE_DNN's logit (Deep SHAP).

    The values are an approximation of SHAP values, in units of the logit (log-odds of interaction), that adds up to
    the pair's logit minus the mean over background pairs. A token's importance is the mean of its latents' absolute
    values.

    Parameters
    ----------
    network : TrainedModel
        AE_DNN.
    pairs, latents, explained, settings, parameters
        As for `explain_by_tree_shap`.
    run : RunParameters
    """
    features, background = _explained_and_background(pairs, latents, explained, parameters)
    attributions = deep_shap(_ae_dnn(network), features, background, resolve_device(run.device))
    report = additivity(attributions, "Deep SHAP")
    return _explanation(attributions, report, features, explained, settings, "AE_DNN, Deep SHAP", "logit")


def explain_by_gradients(
    network: TrainedModel,
    pairs: pd.DataFrame,
    latents: pd.DataFrame,
    explained: pd.DataFrame,
    settings: ModelSettings,
    parameters: LatentParameters,
    run: RunParameters,
) -> LatentExplanation:
    """Say how much each latent of a pair moved AE_DNN's logit (Integrated Gradients).

    Gradients are summed on the straight way from the mean of the background pairs to the pair. The values are in units
    of the logit, and add up to the pair's logit minus that of the mean. A token's importance is the mean of its
    latents' absolute values.

    Parameters
    ----------
    network, pairs, latents, explained, settings, parameters, run
        As for `explain_by_deep_shap`.
    """
    features, background = _explained_and_background(pairs, latents, explained, parameters)
    attributions = integrated_gradients(
        _ae_dnn(network),
        features,
        background,
        resolve_device(run.device),
        steps=parameters.gradients.steps,
        batch_size=parameters.gradients.batch_size,
    )
    report = additivity(attributions, "Integrated Gradients of AE_DNN")
    return _explanation(attributions, report, features, explained, settings, "AE_DNN, Integrated Gradients", "logit")


def _ae_dnn(model: TrainedModel) -> AEDNN:
    if not isinstance(model.network, AEDNN):
        raise InputError(f"The classifier of latents must be an AE_DNN, got {model.architecture}; train it again")
    return model.network


def _explained_and_background(
    pairs: pd.DataFrame, latents: pd.DataFrame, explained: pd.DataFrame, parameters: LatentParameters
) -> tuple[PairFeatures, PairFeatures]:
    background = background_pairs(pairs, parameters.background.pairs, parameters.background.seed)
    return pair_features(latents, explained), pair_features(latents, background)


def _explanation(
    attributions: LatentAttributions,
    report: dict[str, float],
    features: PairFeatures,
    explained: pd.DataFrame,
    settings: ModelSettings,
    method: str,
    unit: str,
) -> LatentExplanation:
    model = settings.network.architecture
    protein_tokens = MODELS[model].network.protein_tokens
    importance = token_means(attributions.by_column, protein_tokens)
    tokens = _token_table(importance.mean(axis=0), pair_token_names(protein_tokens))
    values = pd.DataFrame(attributions.by_column.astype(np.float32), index=explained.index, columns=features.columns)
    title = f"{model}: {method}"
    return LatentExplanation(
        explained[["Protein1", "Protein2"]].join(values),
        report,
        importance_table(explained, importance, protein_tokens),
        tokens,
        token_bars(tokens, title, f"Mean |attribution| of a latent ({unit})"),
        beeswarm_figure(
            attributions.by_column, features.latents, features.columns, title, f"Attribution to the score ({unit})"
        ),
    )


def _token_table(importance: np.ndarray, names: list[str]) -> pd.DataFrame:
    table = pd.DataFrame({"Token": names, "Importance": importance})
    return table.sort_values("Importance", ascending=False, kind="stable", ignore_index=True)
