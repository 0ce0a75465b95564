"""Calibration: whether pairs interact as often as their probabilities suggest, and a temperature that makes them so."""

import logging
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from esm2_amp.statistics.curves import reliability
from esm2_amp.statistics.metrics import sigmoid

logger = logging.getLogger(__name__)

N_BINS: Final = 10
COLDEST, HOTTEST = 1e-3, 1e3
"""Temperatures searched: where the best lies beyond, logits separate labels perfectly or carry no information."""


def expected_calibration_error(label: ArrayLike, probability: ArrayLike, n_bins: int = N_BINS) -> float:
    """Mean distance between probability and fraction of interacting pairs, over `curves.reliability`'s bins.

    Bins count by their pairs (Guo et al. 2017, eq. 3, for the probability of interaction instead of the predicted
    class's). Noise within bins keeps it above 0 even for a calibrated model.

    Parameters
    ----------
    label, probability : array_like, shape (B,)
        Labels (0 or 1) and predicted probabilities.
    n_bins : int
        Bins of equal width from 0 to 1.
    """
    bins = reliability(label, probability, n_bins)
    distance = (bins["Probability"] - bins["Fraction"]).abs()
    return float((distance * bins["Pairs"]).sum() / bins["Pairs"].sum())


def calibration_interval(
    errors: NDArray[np.float64], noise: NDArray[np.float64], confidence: float
) -> tuple[float, float]:
    """Interval of the expected calibration error, reaching 0 where the model may be calibrated.

    The error is a sum of absolute values, which noise enlarges: by so much, for a calibrated model, that no interval
    around the estimate holds the true value. So the interval is of those true values from which noise makes an error as
    observed neither too rarely nor too often (inversion of a test). A true value is spread over the bins in proportion
    to the errors observed plus the deviation of their noise, since noise makes errors appear less even than they are.

    Parameters
    ----------
    errors : ndarray, shape (n_bins,), float64
        Signed: their absolute values add up to the expected calibration error.
    noise : ndarray, shape (replicates, n_bins), float64
        Noise of `errors`, around 0.
    confidence : float
        Confidence of the interval, as a fraction.
    """
    observed = np.abs(errors).sum()
    true = np.linspace(0, observed + np.abs(noise).sum(axis=1).max(), 200)
    share = np.copysign(np.abs(errors) + noise.std(axis=0), errors)
    share /= max(np.abs(share).sum(), np.finfo(float).tiny)
    seen = np.stack([np.abs(level * share + noise).sum(axis=1) for level in true])
    tails = (1 - confidence) / 2, (1 + confidence) / 2
    lower, upper = np.quantile(seen, tails, axis=1, method="weibull")
    return float(true[upper >= observed].min(initial=observed)), float(true[lower <= observed].max(initial=0))


def fit_temperature(label: ArrayLike, logit: ArrayLike, name: str = "the model") -> float:
    """Temperature T for which the probabilities sigmoid(logit / T) fit the labels best (Guo et al. 2017).

    To be fitted on validation pairs. T above 1 says that the model was too sure of itself. Ranks, and so AUROC and
    AUPR, stay as they are.

    Parameters
    ----------
    label, logit : array_like, shape (B,)
        Labels, 0 or 1, and scores of the pairs.
    name : str
        Whose logits they are, for the log.

    Returns
    -------
    temperature : float
        Of least binary cross-entropy, between `COLDEST` and `HOTTEST`; where the best lies beyond, the end is
        returned, and logged.
    """
    from scipy.optimize import brentq  # slow to import

    y, z = np.asarray(label, dtype=np.float64), np.asarray(logit, dtype=np.float64)

    def slope(log_temperature: float) -> float:
        """Slope of the loss in 1 / T, in which the loss is convex: it rises as the temperature falls."""
        return float(np.mean((sigmoid(z / np.exp(log_temperature)) - y) * z))

    low, high = np.log(COLDEST), np.log(HOTTEST)
    if slope(high) >= 0:
        logger.info("The logits of %s carry no information about the labels: temperature set to %g", name, HOTTEST)
        return HOTTEST
    if slope(low) <= 0:
        logger.info("The logits of %s separate the labels perfectly: temperature set to %g", name, COLDEST)
        return COLDEST
    return float(np.exp(brentq(slope, low, high)))
