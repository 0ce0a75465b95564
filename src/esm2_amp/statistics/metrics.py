"""Metrics of scored pairs, for one model and for several side by side."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from esm2_amp.errors import InputError

Metrics = dict[str, float | None]
"""Metric → value, None where the pairs leave it undefined (JSON has no NaN)."""


def sigmoid(logit: ArrayLike) -> NDArray[np.float64]:
    """Probability of a logit, without overflow at either end."""
    return np.exp(-np.logaddexp(0, -np.asarray(logit, dtype=np.float64)))


def decisions(probability: ArrayLike, threshold: float = 0.5) -> NDArray[np.int64]:
    """1 where a pair is predicted to interact: its probability reaches the threshold."""
    return (np.asarray(probability) >= threshold).astype(np.int64)


def pair_metrics(label: ArrayLike, logit: ArrayLike, threshold: float = 0.5) -> Metrics:
    """Metrics of one model on labelled pairs.

    Parameters
    ----------
    label : array_like, shape (B,)
        1 for interacting pairs, 0 for others.
    logit : array_like, shape (B,)
        Log-odds of interaction.
    threshold : float
        Probability from which a pair is predicted to interact.

    Returns
    -------
    metrics : dict
        `n_pairs`, `n_positives`; `loss` (mean binary cross-entropy, nats) and `brier` score; at the threshold
        `accuracy`, `precision`, `recall`, `specificity`, `f1`, `balanced_accuracy`, `mcc`; over all thresholds `auroc`
        and `aupr` (average precision). They are fractions, not percent; None where they are undefined. MCC is 0 where
        every decision is the same.

    Raises
    ------
    InputError
        There is no pair, a label is neither 0 nor 1, or a logit isn't finite.
    """
    from sklearn import metrics as sk  # slow to import, and scoring new pairs doesn't need it

    y, z = _checked(label, logit)
    probability = sigmoid(z)
    decision = decisions(probability, threshold)
    options: dict[str, Any] = {"y_true": y, "y_pred": decision, "zero_division": np.nan}
    metrics: Metrics = {
        "n_pairs": len(y),
        "n_positives": int(y.sum()),
        "loss": float(np.mean(np.logaddexp(0, z) - y * z)),
        "accuracy": sk.accuracy_score(y, decision),
        "precision": sk.precision_score(**options),
        "recall": sk.recall_score(**options),
        "specificity": sk.recall_score(pos_label=0, **options),
        "f1": sk.f1_score(**options),
    }
    both_classes = 0 < y.sum() < len(y)
    for name, score, scored in [
        ("balanced_accuracy", sk.balanced_accuracy_score, decision),
        ("mcc", sk.matthews_corrcoef, decision),
        ("auroc", sk.roc_auc_score, z),
        ("aupr", sk.average_precision_score, z),
    ]:
        metrics[name] = float(score(y, scored)) if both_classes else None
    metrics["brier"] = float(np.mean((probability - y) ** 2))
    return {name: None if value is None or np.isnan(value) else value for name, value in metrics.items()}


def _checked(label: ArrayLike, logit: ArrayLike) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    y, z = np.asarray(label, dtype=np.float64), np.asarray(logit, dtype=np.float64)
    assert y.shape == z.shape and y.ndim == 1, (y.shape, z.shape)
    if not len(y):
        raise InputError("Metrics need at least one labelled pair, got none; give pairs with a Label column")
    for name, is_bad, rule, remedy in [
        ("Label", ~np.isin(y, (0, 1)), "0 or 1", "evaluate labelled pairs only"),
        ("logit", ~np.isfinite(z), "a finite number", "the model has diverged: train it again, more slowly"),
    ]:
        if is_bad.any():
            row = int(np.flatnonzero(is_bad)[0])
            value = (y if name == "Label" else z)[row]
            raise InputError(
                f"Every {name} must be {rule}, got {value:g} in pair {row + 1} of {len(y):,} "
                f"({is_bad.sum():,} such pairs); {remedy}"
            )
    return y.astype(np.int64), z


def undefined(metrics: Metrics) -> str:
    """The undefined metrics and why, as in `precision (no pair is predicted to interact)`; an empty text for none."""
    names = [name for name, value in metrics.items() if value is None]
    positives = metrics["n_positives"]
    reasons = {
        "no pair is labelled 1": positives == 0,
        "no pair is labelled 0": positives == metrics["n_pairs"],
        "no pair is predicted to interact": metrics["precision"] is None,
    }
    why = "; ".join(reason for reason, holds in reasons.items() if holds)
    return f"{', '.join(names)} ({why})" if names else ""


def comparison_table(rows: Mapping[str, Mapping[str, float | None]]) -> pd.DataFrame:
    """Metrics of several models side by side.

    Parameters
    ----------
    rows : mapping of model name to its metrics
        By the names of their columns, `AUROC` among them, on the same pairs.

    Returns
    -------
    table : DataFrame
        `Model` and one column a metric; best AUROC first, undefined AUROC last.
    """
    table: pd.DataFrame = pd.DataFrame.from_dict(dict(rows), orient="index").apply(pd.to_numeric)
    table = table.sort_values("AUROC", ascending=False, na_position="last", kind="stable")
    return table.rename_axis("Model").reset_index()
