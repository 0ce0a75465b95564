"""One model or baseline on held-out pairs: threshold and temperature from validation, then decisions and metrics."""

import logging
from typing import Any, Final, Literal, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from esm2_amp.statistics.calibration import expected_calibration_error, fit_temperature
from esm2_amp.statistics.metrics import Metrics, decisions, pair_metrics, sigmoid, undefined
from esm2_amp.statistics.operating_points import ODDS, best_threshold, precision_at_odds

logger = logging.getLogger(__name__)

REPORTED_SPLIT: Final = "test"
"""The split that figures and comparisons show; metrics are written for validation, too."""


def reported(data_name: str) -> str:
    """The reported pairs in words, for titles of figures and tables."""
    return f"{REPORTED_SPLIT} split of {data_name}"


class Assessment(NamedTuple):
    """The scores of one model for B pairs, and how good they are.

    Attributes
    ----------
    scores : DataFrame, B rows
        `Logit`; `Probability`; `CalibratedProbability`, after division of the logit by the temperature; and
        `Prediction`, 1 where the probability reaches the threshold.
    metrics : dict
        `threshold` and `temperature`, then under `validation` and `test` the metrics of that split: those of
        `pair_metrics`, the expected calibration error before and after (`ece`, `ece_calibrated`), and the precisions
        of `ODDS`.
    """

    scores: pd.DataFrame
    metrics: dict[str, Any]


def assess(name: str, pairs: pd.DataFrame, logit: ArrayLike, threshold: float | Literal["validation"]) -> Assessment:
    """Decide and measure the validation and test pairs.

    Parameters
    ----------
    name : str
        Name of the model, for messages.
    pairs : DataFrame, B rows
        Columns `Split`, "validation" or "test", and `Label`, 0 or 1.
    logit : array_like, shape (B,)
        The model's logit of each pair.
    threshold : float or "validation"
        Probability from which a pair is predicted to interact, or "validation" for that of the best MCC on the
        validation pairs.

    Raises
    ------
    InputError
        As `pair_metrics` and `best_threshold` do.
    """
    label, z = pairs["Label"].to_numpy(), np.asarray(logit, dtype=np.float64)
    splits = {split: (pairs["Split"] == split).to_numpy() for split in ("validation", "test")}
    held_out = label[splits["validation"]], z[splits["validation"]]
    chosen = best_threshold(*held_out) if threshold == "validation" else threshold
    temperature = fit_temperature(*held_out, name)
    probability = sigmoid(z)
    scores = pd.DataFrame(
        {
            "Logit": z,
            "Probability": probability,
            "CalibratedProbability": sigmoid(z / temperature),
            "Prediction": decisions(probability, chosen),
        },
        index=pairs.index,
    )
    measured = {split: measure(label[rows], z[rows], chosen, temperature) for split, rows in splits.items()}
    for split, metrics in measured.items():
        if without := undefined(metrics):
            logger.info("%s, %s pairs: undefined are %s", name, split, without)
    return Assessment(scores, {"threshold": chosen, "temperature": temperature, **measured})


def measure(label: ArrayLike, logit: ArrayLike, threshold: float, temperature: float | None) -> Metrics:
    """Metrics of B pairs, as under a split of `Assessment.metrics`.

    Parameters
    ----------
    label, logit : array_like, shape (B,)
        Labels, 0 or 1, and scores of the pairs.
    threshold : float
        Probability from which a pair is said to interact.
    temperature : float, optional
        Without it `ece_calibrated` is None.
    """
    metrics = pair_metrics(label, logit, threshold)
    metrics["ece"] = expected_calibration_error(label, sigmoid(logit))
    metrics["ece_calibrated"] = (
        None if temperature is None else expected_calibration_error(label, sigmoid(np.asarray(logit) / temperature))
    )
    recall, specificity = metrics["recall"], metrics["specificity"]
    for name, negatives in ODDS.items():
        if metrics["precision"] is None or recall is None or specificity is None:
            metrics[name] = None
        else:
            metrics[name] = precision_at_odds(recall, specificity, negatives)
    return metrics
