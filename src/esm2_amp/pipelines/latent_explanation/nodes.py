"""Nodes of `latent_explanation`: the autoencoder, two classifiers of its latents, and the explanation of these."""

import logging
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from esm2_amp.columns import with_column_names
from esm2_amp.errors import InputError
from esm2_amp.explanation.methods import LOW_AUROC, explain
from esm2_amp.explanation.results import Explanations
from esm2_amp.parameters.interpretability import InterpretabilityParameters
from esm2_amp.parameters.latent_explanation import LatentParameters
from esm2_amp.parameters.model_training import ModelParameters
from esm2_amp.parameters.run import RunParameters
from esm2_amp.pipelines.types import (
    Autoencoder,
    Figure,
    Figures,
    LabelledPairs,
    Metrics,
    ProteinFeatures,
    RandomForestClassifier,
    Section,
    TrainedModel,
)
from esm2_amp.protein import TOKENS

logger = logging.getLogger(__name__)


def train_autoencoder(
    pairs: pd.DataFrame,
    features: ProteinFeatures,
    checkpoints: Path,
    settings: ModelParameters,
    parameters: LatentParameters,
    run: RunParameters,
) -> tuple[Autoencoder, pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Compress each feature vector into a few numbers (latents), and measure what they keep.

    Every vector of every protein (one per segment, and cls and eos) is a sample. The network is trained to rebuild it
    from its latents, on proteins of the training pairs; on the other proteins it is measured how much of the variance
    the latents keep. On the latents, simpler classifiers can be trained that are explained more exactly than the model.

    Parameters
    ----------
    pairs : DataFrame
        `model_pairs` of `pair_building`.
    features : ProteinFeatures
        The vectors of the proteins.
    checkpoints : Path
        Folder from which an interrupted fit goes on.
    settings : ModelParameters
        Settings of the explained model, which decide the tokens.
    parameters : LatentParameters
        The autoencoder and the classifiers.
    run : RunParameters
        Device, seed and name of the data.

    Returns
    -------
    autoencoder : Autoencoder
    latents : DataFrame
        As from `latent_table`.
    record : DataFrame
        A row per epoch.
    reconstruction : DataFrame
        As from `reconstruction_table`.
    """
    import torch

    from esm2_amp.devices import resolve_device
    from esm2_amp.explanation.autoencoder import load_autoencoder
    from esm2_amp.explanation.autoencoder_fit import AutoencoderFit, fit_autoencoder
    from esm2_amp.explanation.latents import (
        FITTED,
        HELD_OUT,
        UNSEEN,
        latent_table,
        protein_groups,
        reconstruct,
        reconstruction_table,
    )
    from esm2_amp.models.registry import MODELS
    from esm2_amp.pairs import protein_rows

    model = settings.network.architecture
    tokens = MODELS[model].network.protein_tokens
    _network_settings(model, parameters)  # raises before the work begins where they are missing
    table, options = features.select(tokens), parameters.autoencoder
    if model in options.weights:
        network = load_autoencoder(options.weights[model])
        check_sizes(network, features.width, options.latent, options.weights[model])
        fit = AutoencoderFit(network, pd.DataFrame(columns=["epoch", "training_loss", "validation_loss", "selected"]))
        group = np.full(len(table), UNSEEN, dtype=object)
    else:
        a, b = protein_rows(features.entries, pairs)
        group = protein_groups(pairs.assign(a=a, b=b), len(table), options.held_out, run.seed)
        fitted, held_out = (table[torch.from_numpy(group == name)].flatten(0, 1) for name in (FITTED, HELD_OUT))
        fit = fit_autoencoder(
            fitted, held_out, options, name=f"{model} autoencoder", folder=checkpoints, device=run.device, seed=run.seed
        )
    result = reconstruct(fit.network, table, resolve_device(run.device))
    report = reconstruction_table(table, result.squared_error, group, TOKENS[tokens])
    latents = latent_table(features.entries, TOKENS[tokens], result.latents)
    return fit.network, latents, with_column_names(fit.record), report


def check_sizes(network: Autoencoder, width: int, latent: int, path: Path) -> None:
    """Raise InputError where loaded weights are for other features, or have other latents than configured."""
    if network.width != width:
        raise InputError(
            f"{path} must be an autoencoder for features of width D = {width}, got {network.width}; give the "
            "autoencoder that was trained on this encoder"
        )
    if network.latent != latent:
        raise InputError(
            f"{path} must be an autoencoder with a latent width of {latent}, got {network.latent}; "
            f"set latent_explanation.autoencoder.latent={network.latent}"
        )


def train_forest(
    pairs: pd.DataFrame,
    latents: pd.DataFrame,
    studies: Path,
    settings: ModelParameters,
    parameters: LatentParameters,
    run: RunParameters,
) -> tuple[RandomForestClassifier, pd.DataFrame, pd.DataFrame, Metrics]:
    """Train a random forest (AE_RF) to distinguish interacting pairs from others by their latents.

    Optuna searches for the forest's best parameters. Its explanation can be trusted as far as its metrics on the test
    pairs are good.

    Parameters
    ----------
    pairs : DataFrame
        `model_pairs` of `pair_building`.
    latents : DataFrame
        Of `train_autoencoder`.
    studies : Path
        Folder from which an interrupted search goes on.
    settings, parameters, run
        As for `train_autoencoder`.
    """
    from esm2_amp.explanation.latent_forest import fit_forest, forest_logits

    model = settings.network.architecture
    training, validation, test = (
        _labelled(pairs[pairs["split"] == split], latents) for split in ("train", "validation", "test")
    )
    fit = fit_forest(training, validation, parameters.forest, name=f"{model} AE_RF", folder=studies, seed=run.seed)
    metrics = _measured("AE_RF", test.label, forest_logits(fit.forest, test.latents))
    return fit.forest, fit.best, fit.trials, metrics


def _measured(name: str, label: ArrayLike, logit: ArrayLike) -> Metrics:
    """Metrics on the test pairs, logged."""
    from esm2_amp.statistics.metrics import pair_metrics

    metrics = pair_metrics(label, logit)
    is_poor = metrics["auroc"] is None or metrics["auroc"] < LOW_AUROC
    logger.log(
        logging.WARNING if is_poor else logging.INFO,
        "%s: %s%s",
        name,
        _quality(metrics),
        "; it hardly separates interacting pairs from others, so its explanation shows little about them"
        if is_poor
        else "",
    )
    return metrics


def _quality(metrics: Metrics) -> str:
    """How good a classifier is, for titles: how far its explanation is about interaction."""
    auroc = metrics["auroc"]
    return f"explained classifier's AUROC on test pairs: {'undefined' if auroc is None else f'{auroc:.2f}'}"


def _labelled(pairs: pd.DataFrame, latents: pd.DataFrame) -> LabelledPairs:
    from esm2_amp.explanation.latent_forest import LabelledPairs
    from esm2_amp.explanation.latents import pair_values

    return LabelledPairs(pair_values(latents, pairs), pairs["label"].to_numpy(np.int64))


def train_latent_network(
    pairs: pd.DataFrame,
    latents: pd.DataFrame,
    checkpoints: Path,
    settings: ModelParameters,
    parameters: LatentParameters,
    run: RunParameters,
) -> tuple[TrainedModel, pd.DataFrame, Metrics]:
    """Train a small neural network (AE_DNN) to distinguish interacting pairs from others by their latents.

    It is trained like the models themselves, and measured on the test pairs: its explanation can be trusted as far as
    its decisions are right.

    Parameters
    ----------
    pairs : DataFrame
        `model_pairs` of `pair_building`.
    latents : DataFrame
        Of `train_autoencoder`.
    checkpoints : Path
        Folder from which an interrupted fit goes on.
    settings, parameters, run
        As for `train_autoencoder`.
    """
    from esm2_amp.devices import resolve_device
    from esm2_amp.explanation.latents import LatentVectors
    from esm2_amp.models.ae_dnn import AEDNN
    from esm2_amp.models.scoring import score_pairs
    from esm2_amp.models.storage import TrainedModel
    from esm2_amp.pairs import Pairs
    from esm2_amp.precision import with_training_precision
    from esm2_amp.training.fit import fit_network

    model = settings.network.architecture
    own = with_training_precision(_network_settings(model, parameters), run.device)
    of_network = Pairs.of(LatentVectors(latents), pairs, AEDNN.protein_tokens)
    train, validation, test = (
        of_network.take((pairs["split"] == split).to_numpy()) for split in ("train", "validation", "test")
    )
    fit = fit_network(train, validation, own, folder=checkpoints, device=run.device, seed=run.seed)
    logit = score_pairs(fit.network, test, batch_size=own.training.batch_size, device=resolve_device(run.device))
    metrics = _measured("AE_DNN", pairs.loc[pairs["split"] == "test", "label"], logit)
    card = {"model": "AE_DNN", "latents_of": model, "settings": own.model_dump(), "seed": run.seed,
            "data": run.data_name, "test": metrics}  # fmt: skip
    return TrainedModel("AE_DNN", fit.network, card), with_column_names(fit.record), metrics


def draw_latent_training(
    record: pd.DataFrame,
    reconstruction: pd.DataFrame,
    network_record: pd.DataFrame,
    network: TrainedModel,
    settings: ModelParameters,
    run: RunParameters,
) -> dict[str, Figure]:
    """Draw how the autoencoder and the network on its latents were trained, and what the latents keep of each token.

    Parameters
    ----------
    record, reconstruction : DataFrame
        Of `train_autoencoder`.
    network_record : DataFrame
        The record of `train_latent_network`.
    network : TrainedModel
        Of `train_latent_network`.
    settings, run
        As for `train_autoencoder`.

    Returns
    -------
    figures : dict of Figure
        `autoencoder` and `network_training`.
    """
    from esm2_amp.explanation.latent_figures import autoencoder_figure
    from esm2_amp.training.figures import training_figure

    model, with_dropout = settings.network.architecture, bool(network.network.sizes.get("dropout"))
    of_network = training_figure(network_record, f"{model}: AE_DNN, {run.data_name}", with_dropout=with_dropout)
    title = f"Autoencoder of {model}'s features, {run.data_name}"
    return {"autoencoder": autoencoder_figure(record, reconstruction, title), "network_training": of_network}


def _network_settings(model: str, parameters: LatentParameters) -> ModelParameters:
    if model not in parameters.network.sizes:
        raise InputError(f"latent_explanation.network.sizes must give h1 and h2 for {model}; add them")
    return ModelParameters(network=parameters.network.sizes[model], training=parameters.network.training)


class LatentPairs(NamedTuple):
    """Latents of both partners side by side.

    Attributes
    ----------
    explained, background : DataFrame
        `A_cls_0` … `B_eos_149` of the explained pairs, and of those they are compared with.
    split : str
        Split of the explained pairs.
    """

    explained: pd.DataFrame
    background: pd.DataFrame
    split: str


def gather_latents(
    explained: pd.DataFrame,
    pairs: pd.DataFrame,
    latents: pd.DataFrame,
    interpretability: InterpretabilityParameters,
    run: RunParameters,
) -> LatentPairs:
    """Put the latents of both partners side by side: of the explained pairs, and of those they are compared with.

    The background is drawn from the training pairs. SHAP compares a pair's score with the scores that it would have if
    its latents had the values of background pairs.

    Parameters
    ----------
    explained : DataFrame
        `explained_pairs` of `interpretability`.
    pairs : DataFrame
        `model_pairs`.
    latents : DataFrame
        Of `train_autoencoder`.
    interpretability : InterpretabilityParameters
        The split and the number of background pairs.
    run : RunParameters
        The seed.
    """
    from esm2_amp.explanation.latents import pair_features
    from esm2_amp.explanation.selection import draw_background

    background = draw_background(pairs, interpretability.background, run.seed)
    of_explained, of_background = (pair_features(latents, table) for table in (explained, background))
    return LatentPairs(of_explained, of_background, interpretability.split)


def explain_latents(
    explained: pd.DataFrame,
    latent_pairs: LatentPairs,
    forest: RandomForestClassifier,
    forest_metrics: Metrics,
    network: TrainedModel,
    settings: ModelParameters,
    parameters: LatentParameters,
    run: RunParameters,
) -> tuple[Explanations, Figures]:
    """Explain the pairs by what the scores of the two classifiers of latents rest on, and draw it.

    Parameters
    ----------
    explained : DataFrame
        `explained_pairs` of `interpretability`.
    latent_pairs : LatentPairs
        Of `gather_latents`.
    forest, forest_metrics
        Of `train_forest`.
    network : TrainedModel
        Of `train_latent_network`.
    settings, parameters, run
        As for `train_autoencoder`.

    Returns
    -------
    explanations : dict of Explanation
        Explanations by method.
    figures : dict of Figure
        Tokens by mean importance for each method, and the strongest latents of those with values of single pairs.
    """
    from esm2_amp.devices import resolve_device
    from esm2_amp.explanation.context import LatentContext
    from esm2_amp.explanation.drawing import Subject, draw_latent_explanations
    from esm2_amp.models.ae_dnn import AEDNN
    from esm2_amp.models.registry import MODELS

    if not isinstance(network.network, AEDNN):
        raise InputError(f"The classifier of latents must be an AE_DNN, got {network.architecture}; train it again")
    model = settings.network.architecture
    context = LatentContext(
        explained,
        MODELS[model].network.protein_tokens,
        latent_pairs.explained,
        latent_pairs.background,
        forest,
        network.network,
        parameters.gradients,
        resolve_device(run.device),
    )
    found = explain(parameters.methods, context)
    of_forest, of_network = _quality(forest_metrics), _quality(network.card["test"])
    remarks = {name: of_network if name.startswith("network") else of_forest for name in found}
    subject = Subject(model, latent_pairs.split, run.data_name)
    return found, draw_latent_explanations(found, context, subject, remarks)


def describe_latents(
    explanations: Explanations,
    plots: dict[str, Any],
    forest_metrics: Metrics,
    network_metrics: Metrics,
    training_plots: dict[str, Any],
    settings: ModelParameters,
) -> Section:
    """Say for the report which tokens the classifiers of latents rest on, how good they are, and how they were trained.

    Parameters
    ----------
    explanations : dict of Explanation
        Of `explain_latents`.
    plots : dict of PNGs
        The figures of `explain_latents`.
    forest_metrics, network_metrics : dict
        Of `train_forest` and `train_latent_network`.
    training_plots : dict of PNGs
        Of `draw_latent_training`.
    settings : ModelParameters
        Of the explained model.
    """
    from esm2_amp.report.latents import latent_part

    metrics = {"AE_RF": forest_metrics, "AE_DNN": network_metrics}
    return latent_part(settings.network.architecture, explanations, plots, metrics, training_plots)
