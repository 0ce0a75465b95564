"""What the report has of an earlier training or evaluation: models may be trained, and measured, one at a time."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import numpy as np
import pandas as pd

from esm2_amp.columns import column_name
from esm2_amp.evaluation.assessment import REPORTED_SPLIT
from esm2_amp.statistics.metrics import pair_metrics

_ROUNDED: Final = 2e-5
"""Largest relative difference between a number and what its file of six digits has of it."""


def trained_since(
    descriptions: Sequence[dict[str, Any] | None], records: Sequence[pd.DataFrame | None]
) -> Iterator[str]:
    """Name the models that were trained again after they were measured, in a sentence.

    Parameters
    ----------
    descriptions : sequence of dict, optional
        `description` of every model, of `evaluation`.
    records : sequence of DataFrame, optional
        `training_record` of the same models, of `model_training`.
    """
    names = [
        described["model"]
        for described, record in zip(descriptions, records, strict=True)
        if described is not None and record is not None and not _is_of(record, described["card"])
    ]
    if names:
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
    if names := [name for name, brier in now.items() if not _agree(brier, compared[name])]:
        yield (
            f"Measured again after the models were compared: {', '.join(names)}. Tables and curves side by side are of "
            "the evaluation before; `kedro run --pipeline=results` makes them anew."
        )


def _is_of(record: pd.DataFrame, card: Mapping[str, Any]) -> bool:
    """Whether the epochs that a model was taken from, by its card, are those that a record of training selects."""
    epochs, selected = card.get("members") or [card["selected_epoch"]], record[record["Selected"]]
    return len(epochs) == len(selected) and all(
        _agree([epoch[loss] for epoch in epochs], selected[column_name(loss)])
        for loss in ("training_loss", "validation_loss")
    )


def _agree(one: Any, other: Any) -> bool:
    one, other = np.asarray(one, dtype=float), np.asarray(other, dtype=float)
    return bool(np.allclose(one, other, rtol=_ROUNDED, atol=0, equal_nan=True))
