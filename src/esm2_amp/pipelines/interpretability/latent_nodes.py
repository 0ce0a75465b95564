"""Nodes of `interpretability` on latents: the autoencoder, and two classifiers of its latents."""

import logging
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from matplotlib.figure import Figure
from numpy.typing import ArrayLike
from sklearn.ensemble import RandomForestClassifier
from torch import Tensor

from esm2_amp.devices import resolve_device
from esm2_amp.errors import InputError
from esm2_amp.explanation.autoencoder import Autoencoder, load_autoencoder
from esm2_amp.explanation.autoencoder_fit import AutoencoderFit, fit_autoencoder
from esm2_amp.explanation.figures import token_bars
from esm2_amp.explanation.latent_figures import autoencoder_figure
from esm2_amp.explanation.latent_forest import LabelledPairs, fit_forest, forest_logits
from esm2_amp.explanation.latents import (
    FITTED,
    HELD_OUT,
    UNSEEN,
    check_latent_rows,
    latent_table,
    latent_values,
    pair_values,
    protein_groups,
    reconstruct,
    reconstruction_table,
    token_means,
)
from esm2_amp.explanation.methods import KNOWS_LITTLE, METHODS
from esm2_amp.explanation.tokens import token_table
from esm2_amp.features import ProteinFeatures
from esm2_amp.models.registry import MODELS
from esm2_amp.models.scoring import score_pairs
from esm2_amp.models.storage import TrainedModel
from esm2_amp.parameters.latent_explanation import LatentParameters
from esm2_amp.parameters.model_training import ModelParameters
from esm2_amp.parameters.run import RunParameters
from esm2_amp.pipelines.model_training.nodes import check_rows
from esm2_amp.protein import TOKENS, pair_token_names
from esm2_amp.statistics.metrics import Metrics, pair_metrics
from esm2_amp.training.figures import training_figure
from esm2_amp.training.fit import fit_network, pair_columns

logger = logging.getLogger(__name__)


def train_autoencoder(
    pairs: pd.DataFrame,
    features: ProteinFeatures,
    checkpoints: Path,
    settings: ModelParameters,
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
    settings : ModelParameters
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
    _network_settings(model, parameters)  # tells what is missing before the work begins
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
        ("for features of width D =", network.width, width, "give the autoencoder that was trained on this encoder"),
        (
            "with a latent width of",
            network.latent,
            latent,
            f"set latent_explanation.autoencoder.latent={network.latent}",
        ),
    ]:
        if found != wanted:
            raise InputError(f"{path} must be an autoencoder {what} {wanted}, got {found}; {remedy}")


def train_forest(
    pairs: pd.DataFrame,
    latents: pd.DataFrame,
    studies: Path,
    settings: ModelParameters,
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
    metrics = _measured("AE_RF", test.label, forest_logits(fit.forest, test.latents))
    protein_tokens = MODELS[model].network.protein_tokens
    tokens = token_table(pair_token_names(protein_tokens), token_means(fit.forest.feature_importances_, protein_tokens))
    title = f"{model}, {METHODS['gini'].name}\ntraining pairs of {run.data_name}\n{knowledge(metrics)}"
    figure = token_bars(tokens, title, METHODS["gini"].unit)
    return fit.forest, fit.best, fit.trials, metrics, tokens, figure


def _measured(name: str, label: ArrayLike, logit: ArrayLike) -> Metrics:
    """Metrics on the test pairs, told to the log."""
    metrics = pair_metrics(label, logit)
    auroc = metrics["auroc"]
    knows_little = auroc is None or auroc < KNOWS_LITTLE
    logger.log(
        logging.WARNING if knows_little else logging.INFO,
        "%s: %s%s",
        name,
        knowledge(metrics),
        "; it tells interacting pairs hardly apart, so its explanation says little about them" if knows_little else "",
    )
    return metrics


def knowledge(metrics: Metrics) -> str:
    """What a classifier knows, for titles: how far its explanation is about interaction."""
    auroc = metrics["auroc"]
    return f"explained classifier's AUROC on test pairs: {'undefined' if auroc is None else f'{auroc:.2f}'}"


def _labelled(pairs: pd.DataFrame, latents: pd.DataFrame) -> LabelledPairs:
    return LabelledPairs(pair_values(latents, pairs), pairs["label"].to_numpy(np.int64))


def train_latent_network(
    pairs: pd.DataFrame,
    latents: pd.DataFrame,
    checkpoints: Path,
    settings: ModelParameters,
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
    own = _network_settings(model, parameters)
    train, validation, test = (pairs[pairs["split"] == split] for split in ("train", "validation", "test"))
    check_latent_rows(latents, pairs)
    table = network_table(latents)
    fit = fit_network(
        table, pair_columns(train), pair_columns(validation), own, folder=checkpoints, device=run.device, seed=run.seed
    )
    a, b, label = pair_columns(test)
    logit = score_pairs(fit.network, table, a, b, batch_size=own.training.batch_size, device=resolve_device(run.device))
    metrics = _measured("AE_DNN", label, logit)
    card = {"model": "AE_DNN", "latents_of": model, "settings": own.model_dump(), "seed": run.seed,
            "data": run.data_name, "test": metrics}  # fmt: skip
    return (
        TrainedModel("AE_DNN", fit.network, card),
        fit.record,
        metrics,
        training_figure(fit.record, f"{model}: AE_DNN, {run.data_name}"),
    )


def _network_settings(model: str, parameters: LatentParameters) -> ModelParameters:
    if model not in parameters.network.sizes:
        raise InputError(f"latent_explanation.network.sizes must give h1 and h2 for {model}; add them")
    return ModelParameters(network=parameters.network.sizes[model], training=parameters.network.training)


def network_table(latents: pd.DataFrame) -> Tensor:
    """Latents as AE_DNN reads them: one vector per protein, (P, 1, D' / 2)."""
    return torch.from_numpy(latent_values(latents)).unsqueeze(1)
