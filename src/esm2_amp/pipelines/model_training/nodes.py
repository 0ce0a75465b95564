"""Nodes of `model_training`: one network from features and pairs."""

import logging
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from esm2_amp.encoder.embedding import Device
from esm2_amp.errors import InputError
from esm2_amp.features import ProteinFeatures
from esm2_amp.models.registry import MODELS
from esm2_amp.models.storage import TrainedModel
from esm2_amp.parameters import Parameters
from esm2_amp.training.fit import fit_network, pair_columns
from esm2_amp.training.plots import training_figure
from esm2_amp.training.settings import ModelSettings

logger = logging.getLogger(__name__)


class RunParameters(Parameters):
    """What all trainings share.

    Attributes
    ----------
    device : {"auto", "cpu", "cuda", "mps"}
    seed : int
    data_name : str
        What figures and model cards call the data.
    """

    device: Device
    seed: int
    data_name: str


def check_rows(features: ProteinFeatures, pairs: pd.DataFrame) -> None:
    """Raise InputError when the pairs' row numbers were made for other features."""
    entries = features.index["Entry"].to_numpy()
    for column, name in (("a", "Protein1"), ("b", "Protein2")):
        rows = pairs[column].to_numpy()
        if rows.max(initial=-1) >= len(entries) or (entries[rows] != pairs[name].to_numpy()).any():
            raise InputError(
                "The pairs were built for other protein features than those stored now; "
                "run `kedro run --pipeline=pair_building` (or training) again"
            )


def train_model(
    pairs: pd.DataFrame,
    features: ProteinFeatures,
    checkpoints: Path,
    settings: ModelSettings,
    parameters: RunParameters,
) -> tuple[TrainedModel, pd.DataFrame, Figure]:
    """Fit one network on the training pairs, chosen by the validation pairs.

    Parameters
    ----------
    pairs : DataFrame
        `model_pairs` of `pair_building`.
    features : ProteinFeatures
    checkpoints : Path
        Folder that an interrupted fit goes on from.
    settings : ModelSettings
    parameters : RunParameters

    Returns
    -------
    model : TrainedModel
    record : DataFrame
        One row per epoch.
    figure : Figure
        Loss and MCC over the epochs.
    """
    check_rows(features, pairs)
    architecture = settings.network.architecture
    pairs = pairs[pairs["split"].isin(["train", "validation"])]
    used, rows = np.unique(pairs[["a", "b"]], return_inverse=True)  # proteins of the test set need no memory
    pairs = pairs.assign(a=rows[:, 0], b=rows[:, 1])
    parts = {split: pairs[pairs["split"] == split] for split in ("train", "validation")}
    table = features.select(MODELS[architecture].network.protein_tokens, used.tolist())
    fit = fit_network(
        table,
        pair_columns(parts["train"]),
        pair_columns(parts["validation"]),
        settings,
        folder=checkpoints,
        device=parameters.device,
        seed=parameters.seed,
    )
    card = _card(settings, features, parts, fit.record, parameters)
    return (
        TrainedModel(architecture, fit.network, card),
        fit.record,
        training_figure(fit.record, f"{architecture}, {parameters.data_name}"),
    )


def _card(
    settings: ModelSettings,
    features: ProteinFeatures,
    parts: dict[str, pd.DataFrame],
    record: pd.DataFrame,
    parameters: RunParameters,
) -> dict[str, Any]:
    selected = record[record["selected"]].iloc[0].drop("selected")
    return {
        "model": settings.network.architecture,
        "settings": settings.model_dump(),
        "seed": parameters.seed,
        "data": parameters.data_name,
        "pairs": {split: {"pairs": len(part), "positives": int(part["label"].sum())} for split, part in parts.items()},
        "features": {"width": features.width, **features.provenance},
        "selected_epoch": {name: float(value) for name, value in selected.items()},
        "versions": {name: version(name) for name in ("esm2_amp", "torch", "lightning")},
    }
