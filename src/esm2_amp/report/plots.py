"""The interactive plots of all models over one another, each with a description in words."""

from collections.abc import Mapping
from math import ceil

import pandas as pd

from esm2_amp.evaluation import plots
from esm2_amp.report.parts import Plot, plot_of
from esm2_amp.statistics.curves import Curve, pair_curves

_SQUARE, _KEY_LINE = 430, 22
"""Pixels of a square panel with its axes, and of a line of its key."""


def curve_plots(scored: Mapping[str, pd.DataFrame]) -> list[Plot]:
    """ROC, precision-recall and calibration of several models.

    Parameters
    ----------
    scored : mapping of name to DataFrame
        Columns `Label`, `Probability`; the same pairs for all. The order decides the colours.
    """
    curves = {name: pair_curves(pairs["Label"], pairs["Probability"]) for name, pairs in scored.items()}
    rocs = {name: of_model.roc for name, of_model in curves.items()}
    precisions = {name: of_model.precision_recall for name, of_model in curves.items()}
    prevalence = next(iter(curves.values())).prevalence
    precision_recall = plots.precision_recall_plot(precisions, prevalence)
    calibration = plots.calibration_plot({name: of_model.reliability for name, of_model in curves.items()})
    words = (
        "fraction of interacting pairs against predicted probability before calibration, in bins of 0.1, with 95 % "
        "intervals and counts of pairs; the diagonal is calibrated"
    )
    shown = [
        (plots.roc_plot(rocs), "ROC", f"ROC curves; AUROC: {_areas(rocs)}"),
        (precision_recall, "Precision and recall", f"Precision and recall curves; AUPR: {_areas(precisions)}"),
        (calibration, "Calibration of the probabilities as they are (before calibration by a temperature)",
         f"Calibration of {', '.join(curves)}: {words}"),
    ]  # fmt: skip
    return [plot_of(*of_curves, height=_SQUARE + _KEY_LINE * ceil(len(curves) / 2)) for of_curves in shown]


def _areas(curves: Mapping[str, Curve | None]) -> str:
    return ", ".join(
        f"{name} {'undefined' if curve is None else f'{curve.area:.3f}'}" for name, curve in curves.items()
    )


def interval_plot(table: pd.DataFrame, x: str, title: str, zero: float) -> Plot:
    """`esm2_amp.evaluation.plots.interval_plot` under a title."""
    rows = zip(table["Model"].str.replace("<br>", ", "), table["Value"], table["Low"], table["High"], strict=True)
    values = ", ".join(f"{model} {value:.3f} ({low:.3f} to {high:.3f})" for model, value, low, high in rows)
    return plot_of(plots.interval_plot(table, x, zero), title, f"{x}: {values}", height=150 + 34 * len(table))
