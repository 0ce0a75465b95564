"""Nodes of `model_training`: one network, or an ensemble of several, from features and pairs."""

import logging
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from esm2_amp.columns import with_column_names
from esm2_amp.parameters.model_training import ARCHITECTURES, ModelParameters, with_values
from esm2_amp.parameters.run import RunParameters
from esm2_amp.pipelines.types import Figure, PairNetwork, Pairs, ProteinFeatures, Section, TrainedModel, TrainingVectors

logger = logging.getLogger(__name__)


def train_model(
    pairs: pd.DataFrame,
    features: ProteinFeatures,
    leakage_audit: dict[str, Any],
    checkpoints: Path,
    settings: ModelParameters,
    run: RunParameters,
) -> tuple[TrainedModel, pd.DataFrame, Figure]:
    """Fit one network on the training pairs, chosen by the validation pairs, or several as an ensemble.

    Parameters
    ----------
    pairs : DataFrame
        `model_pairs` of `pair_building`.
    features : ProteinFeatures
        Vectors of the proteins in the pairs.
    leakage_audit : dict
        How the pairs were split and what the splits share, for the model's card.
    checkpoints : Path
        Folder of all models; `<model>/checkpoints` in it is what an interrupted fit goes on from.
    settings : ModelParameters
        Network and training of the model.
    run : RunParameters
        Device, seed, size of scoring batches, and what figures call the data.

    Returns
    -------
    model : TrainedModel
    record : DataFrame
        One row per epoch; of an ensemble first the `Member`, counted from 1.
    figure : Figure
        Loss and MCC over the epochs.
    """
    from esm2_amp.models.ensemble import joined
    from esm2_amp.models.registry import MODELS
    from esm2_amp.models.storage import SEQUENCE_DIGITS, TrainedModel
    from esm2_amp.pairs import Pairs, hash_pair_table
    from esm2_amp.precision import with_training_precision
    from esm2_amp.statistics.calibration import fit_temperature
    from esm2_amp.training.figures import training_figure
    from esm2_amp.training.fit import fit_members
    from esm2_amp.training.processes import Processes

    architecture, settings = settings.network.architecture, with_training_precision(settings, run.device)
    pairs = pairs[pairs["split"].isin(["train", "validation"])]  # proteins of the test set need no memory
    of_training = pairs.loc[pairs["split"] == "train"]
    trained = np.unique(pd.concat([of_training["Protein1"], of_training["Protein2"]]).unique().astype(str))
    seen = features.index.loc[features.index["Entry"].isin(trained), "key"]
    both = Pairs.of(features, pairs, MODELS[architecture].network.protein_tokens)
    training, validation = (both.take((pairs["split"] == split).to_numpy()) for split in ("train", "validation"))
    fits = fit_members(
        training, validation, settings,
        folder=checkpoints / architecture / "checkpoints", device=run.device, seed=run.seed,
        processes=Processes.of(run),
    )  # fmt: skip
    network, record = joined([fit.network for fit in fits]), _record_of([fit.record for fit in fits])
    vectors, logit = _training_vectors(features, trained), _logit(network, validation, run)
    card = {
        "model": architecture,
        "settings": settings.model_dump(),
        "seed": run.seed,
        "data": run.data_name,
        "split": leakage_audit,
        "pairs_sha256": hash_pair_table(pairs),
        "features": {"width": features.width, **features.provenance},
        **_selected_epochs(record, validation, logit),
        "temperature": fit_temperature(_label(validation), logit, architecture),
        "unlikeness": {"proteins": len(trained), "kept": 0 if vectors is None else len(vectors.vectors)},
        "versions": {name: version(name) for name in ("esm2_amp", "torch", "lightning")},
    }
    known, table = frozenset(seen.str[:SEQUENCE_DIGITS]), with_column_names(record)
    return (
        TrainedModel(architecture, network, card, known, training.average_protein(), vectors),
        table,
        training_figure(table, f"{architecture}, {run.data_name}", with_dropout=bool(network.sizes.get("dropout"))),
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


def describe_training(*records_then_plots: Any | None) -> Section:
    """Show for the report how each model was trained.

    Parameters
    ----------
    *records_then_plots : DataFrame, then bytes, optional
        The `training_record` of every model of the registry, in its order, then the PNGs of their `training_plot`;
        None for a model that isn't trained yet.
    """
    from esm2_amp.report.run import training_part

    half = len(ARCHITECTURES)
    records, plots = (
        dict(zip(ARCHITECTURES, part, strict=True)) for part in (records_then_plots[:half], records_then_plots[half:])
    )
    return training_part(records, plots)


def _training_vectors(features: ProteinFeatures, trained: np.ndarray) -> TrainingVectors | None:
    """By what the model tells how unlike its training a protein is; None where features lack mean vectors."""
    from esm2_amp.models.unlikeness import TrainingVectors, has_mean_vectors, mean_vectors

    rows = np.flatnonzero(features.index["Entry"].isin(trained)).tolist()
    if len(rows) < 2 or not has_mean_vectors(features):  # noqa: PLR2004
        return None
    return TrainingVectors.of(mean_vectors(features, rows))


def _record_of(records: list[pd.DataFrame]) -> pd.DataFrame:
    """The record of a single fit as it is; those of several below one another."""
    if len(records) == 1:
        return records[0]
    return pd.concat(
        [record.assign(member=number) for number, record in enumerate(records, start=1)], ignore_index=True
    )[["member", *records[0]]]


def _logit(network: PairNetwork, validation: Pairs, run: RunParameters) -> np.ndarray:
    from esm2_amp.devices import resolve_device
    from esm2_amp.models.scoring import score_pairs

    return score_pairs(network, validation, batch_size=run.scoring_batch_size, device=resolve_device(run.device))


def _label(pairs: Pairs) -> np.ndarray:
    assert pairs.label is not None
    return pairs.label.numpy()


def _selected_epochs(record: pd.DataFrame, validation: Pairs, logit: np.ndarray) -> dict[str, Any]:
    """For the card: the `selected_epoch` of a network, or those of `members` and what they are worth together."""
    from esm2_amp.statistics.metrics import pair_metrics

    selected = record[record["selected"]].drop(columns="selected").to_dict("records")
    epochs = [{str(name): float(value) for name, value in epoch.items() if name != "member"} for epoch in selected]
    if "member" not in record:
        return {"selected_epoch": epochs[0]}
    measured = pair_metrics(_label(validation), logit)
    return {"members": epochs, "ensemble": {f"validation_{name}": measured[name] for name in ("loss", "mcc", "auroc")}}
