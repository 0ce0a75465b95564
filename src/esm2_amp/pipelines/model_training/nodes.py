"""Nodes of `model_training`: one network from features and pairs."""

import hashlib
import logging
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from esm2_amp.parameters.model_training import ModelParameters, with_values
from esm2_amp.parameters.run import RunParameters
from esm2_amp.pipelines.types import Figure, PairNetwork, Pairs, ProteinFeatures, TrainedModel

logger = logging.getLogger(__name__)

_PAIR = ["Protein1", "Protein2", "label", "split"]
"""What pairs are told apart by, whatever features they point into."""


def train_model(
    pairs: pd.DataFrame,
    features: ProteinFeatures,
    leakage_audit: dict[str, Any],
    checkpoints: Path,
    settings: ModelParameters,
    run: RunParameters,
) -> tuple[TrainedModel, pd.DataFrame, Figure]:
    """Fit one network on the training pairs, chosen by the validation pairs.

    Parameters
    ----------
    pairs : DataFrame
        `model_pairs` of `pair_building`.
    features : ProteinFeatures
        Vectors of the proteins in the pairs.
    leakage_audit : dict
        How the pairs were split and what the splits share, for the model's card.
    checkpoints : Path
        Folder that an interrupted fit goes on from.
    settings : ModelParameters
        Network and training of the model.
    run : RunParameters
        Device, seed, size of scoring batches, and what figures call the data.

    Returns
    -------
    model : TrainedModel
    record : DataFrame
        One row per epoch.
    figure : Figure
        Loss and MCC over the epochs.
    """
    from esm2_amp.models.registry import MODELS
    from esm2_amp.models.storage import SEQUENCE_DIGITS, TrainedModel
    from esm2_amp.pairs import Pairs
    from esm2_amp.training.figures import training_figure
    from esm2_amp.training.fit import fit_network

    architecture = settings.network.architecture
    pairs = pairs[pairs["split"].isin(["train", "validation"])]  # proteins of the test set need no memory
    trained = np.unique(pairs.loc[pairs["split"] == "train", ["Protein1", "Protein2"]].to_numpy(str))
    seen = features.index.loc[features.index["Entry"].isin(trained), "key"]
    both = Pairs.of(features, pairs, MODELS[architecture].network.protein_tokens)
    training, validation = (both.take((pairs["split"] == split).to_numpy()) for split in ("train", "validation"))
    fit = fit_network(training, validation, settings, folder=checkpoints, device=run.device, seed=run.seed)
    card = {
        "model": architecture,
        "settings": settings.model_dump(),
        "seed": run.seed,
        "data": run.data_name,
        "split": leakage_audit,
        "pairs_sha256": hashlib.sha256(pairs[_PAIR].to_csv(index=False).encode()).hexdigest(),
        "features": {"width": features.width, **features.provenance},
        "selected_epoch": _selected_epoch(fit.record),
        "temperature": _temperature(fit.network, validation, settings, run),
        "versions": {name: version(name) for name in ("esm2_amp", "torch", "lightning")},
    }
    return (
        TrainedModel(
            architecture, fit.network, card, frozenset(seen.str[:SEQUENCE_DIGITS]), training.average_protein()
        ),
        fit.record,
        training_figure(
            fit.record, f"{architecture}, {run.data_name}", with_dropout=bool(fit.network.sizes.get("dropout"))
        ),
    )


def refit_model(
    pairs: pd.DataFrame,
    features: ProteinFeatures,
    leakage_audit: dict[str, Any],
    checkpoints: Path,
    best: dict[str, Any],
    settings: ModelParameters,
    run: RunParameters,
) -> tuple[TrainedModel, pd.DataFrame, Figure]:
    """As `train_model`, with the best parameters of a search in place of those configured.

    Parameters
    ----------
    pairs, features, leakage_audit, checkpoints, settings, run
        As for `train_model`.
    best : dict
        `best_parameters` of `hyperparameter_search`; the card keeps it.
    """
    values = ", ".join(f"{name} {value:.4g}" for name, value in best["parameters"].items())
    logger.info("Refit with the best of %s, trial %d: %s", best["study"], best["trial"], values)
    settings = with_values(settings, best["parameters"])
    model, record, figure = train_model(pairs, features, leakage_audit, checkpoints, settings, run)
    return model._replace(card={**model.card, "search": best}), record, figure


def _temperature(network: PairNetwork, validation: Pairs, settings: ModelParameters, run: RunParameters) -> float:
    from esm2_amp.devices import resolve_device
    from esm2_amp.models.scoring import score_pairs
    from esm2_amp.statistics.calibration import fit_temperature

    assert validation.label is not None
    logit = score_pairs(network, validation, batch_size=run.scoring_batch_size, device=resolve_device(run.device))
    return fit_temperature(validation.label.numpy(), logit, settings.network.architecture)


def _selected_epoch(record: pd.DataFrame) -> dict[str, float]:
    selected = record[record["selected"]].iloc[0].drop("selected")
    return {str(name): float(value) for name, value in selected.items()}
