"""What the report has of an earlier training or evaluation: models may be trained, and measured, one at a time."""

import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

import pandas as pd

from esm2_amp.columns import column_name
from esm2_amp.evaluation.assessment import REPORTED_SPLIT
from esm2_amp.statistics.metrics import pair_metrics

_LOSSES: Final = ("training_loss", "validation_loss")

_ROUNDED: Final = 2e-5
"""Largest relative difference between a number and what its file of six digits has of it."""


def mark_of_record(record: pd.DataFrame) -> str:
    """What tells a training from others of the same model: the losses of the epochs that its `training_record` selects.

    It is the same as that of the model's card, although the record has six digits.
    """
    selected = record[record["Selected"]]
    return _mark(zip(*(selected[column_name(loss)] for loss in _LOSSES), strict=True))


def mark_of_card(card: Mapping[str, Any]) -> str:
    """The same, of the epochs that the model was taken from by its card."""
    return _mark([epoch[loss] for loss in _LOSSES] for epoch in card.get("members") or [card["selected_epoch"]])


def _mark(losses: Iterable[Iterable[float]]) -> str:
    return " ".join(f"{loss:.6g}" for epoch in losses for loss in epoch)


def trained_since(measured: Mapping[str, str], trained: Mapping[str, str]) -> Iterator[str]:
    """Name the models that were trained again after they were measured, in a sentence.

    Parameters
    ----------
    measured, trained : mapping of str
        Marks of models: of those that were measured, and of those that were trained, as far as that is recorded.
    """
    if names := [name for name, mark in measured.items() if trained.get(name, mark) != mark]:
        yield (
            f"Trained again after they were measured: {', '.join(names)}. Their figures and explanations are of the "
            "training before; `kedro run --pipeline=results` makes them anew."
        )


def measured_since(models: pd.DataFrame, scored: Mapping[str, pd.DataFrame]) -> Iterator[str]:
    """Name the models that were measured again after they were compared, in a sentence.

    Parameters
    ----------
    models : DataFrame
        `model_comparison`.
    scored : mapping of DataFrame
        `scored_pairs` by model.
    """
    compared = models.set_index("Model")["Brier"]
    tests = {name: pairs[pairs["Split"] == REPORTED_SPLIT] for name, pairs in scored.items()}
    now = {name: pair_metrics(test["Label"], test["Logit"])["brier"] for name, test in tests.items()}
    names = [
        name
        for name, brier in now.items()
        if brier is not None and not math.isclose(brier, compared[name], rel_tol=_ROUNDED)
    ]
    if names:
        yield (
            f"Measured again after the models were compared: {', '.join(names)}. Tables and curves side by side are of "
            "the evaluation before; `kedro run --pipeline=results` makes them anew."
        )
