"""Figures for print (Matplotlib): one model at a glance, and several compared.

They are built on `Figure` itself, without pyplot's global state, and take a title that names the split.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import StrMethodFormatter
from numpy.typing import ArrayLike

from esm2_amp.evaluation.curves import Curve, confusion, precision_recall, reliability, roc
from esm2_amp.evaluation.palette import ACCENT, COLOURS, DECISIONS, GREY, MAIN, METRIC_NAMES, ONE_CLASS

_TEXT, _SMALL = 9, 8
"""Font sizes in points: legible when a figure is reduced to a column of 85 mm."""

_RANDOM: dict[str, Any] = {"color": GREY, "linestyle": "--", "linewidth": 1, "zorder": 1}
_LEGEND: dict[str, Any] = {"fontsize": _SMALL, "framealpha": 0.9, "edgecolor": "none"}

_DARK_PERCENT = 60
"""Cells of the confusion matrix above it are dark and bear white text."""


def summary_figure(label: ArrayLike, probability: ArrayLike, title: str, threshold: float = 0.5) -> Figure:
    """ROC, precision-recall, confusion matrix and calibration of one model.

    Parameters
    ----------
    label, probability : array_like, shape (B,)
    title : str
    threshold : float
        Probability from which a pair is said to interact, for the confusion matrix.
    """
    figure = Figure(figsize=(5.6, 5.6), layout="constrained", dpi=200)
    figure.suptitle(f"{title} ({np.size(label):,} pairs)", fontsize=_TEXT + 1)
    grid = figure.add_gridspec(2, 2)
    for place, name, curve, draw in [
        (grid[0, 0], "AUROC", roc(label, probability), _draw_roc),
        (grid[0, 1], "AUPR", precision_recall(label, probability), _draw_precision_recall),
    ]:
        axes = figure.add_subplot(place)
        draw(axes, {f"{name} {_area(curve)}": curve}, label)
        axes.legend(**_LEGEND, loc="lower right")
    _draw_confusion(figure.add_subplot(grid[1, 0]), label, probability, threshold)
    lower = grid[1, 1].subgridspec(2, 1, height_ratios=[3, 1], hspace=0.04)
    upper_axes = figure.add_subplot(lower[0])
    _draw_calibration(upper_axes, figure.add_subplot(lower[1], sharex=upper_axes), label, probability)
    return figure


def comparison_curves(scored: Mapping[str, pd.DataFrame], title: str) -> Figure:
    """ROC and precision-recall curves of several models over one another.

    Parameters
    ----------
    scored : mapping of model name to DataFrame
        Columns `Label`, `Probability`; the same pairs for all. The order decides the colours.
    title : str
    """
    figure = Figure(figsize=(7.2, 4.1 + 0.1 * len(scored)), layout="constrained", dpi=200)
    figure.suptitle(title, fontsize=_TEXT + 1)
    roc_curves, precision_curves = {}, {}
    for model, pairs in scored.items():
        curves = roc(pairs["Label"], pairs["Probability"]), precision_recall(pairs["Label"], pairs["Probability"])
        name = f"{model}: {_area(curves[0])}, {_area(curves[1])}"
        roc_curves[name], precision_curves[name] = curves
    label = next(iter(scored.values()))["Label"]
    roc_axes, precision_axes = figure.subplots(1, 2)
    _draw_roc(roc_axes, roc_curves, label)
    _draw_precision_recall(precision_axes, precision_curves, label)
    figure.legend(
        *roc_axes.get_legend_handles_labels(), **_LEGEND, loc="outside lower center", ncols=2,
        title="Model: AUROC, AUPR", title_fontsize=_SMALL,
    )  # fmt: skip
    return figure


def comparison_figure(table: pd.DataFrame, title: str) -> Figure:
    """Accuracy, MCC, AUROC and AUPR of several models as dots, with intervals where the table has them.

    Parameters
    ----------
    table : DataFrame
        As from `comparison_table`; the interval of a metric stands in `<metric>_low` and `<metric>_high`.
    title : str
    """
    figure = Figure(figsize=(7.2, 1.35 + 0.34 * len(table)), layout="constrained", dpi=200)
    figure.suptitle(title, fontsize=_TEXT + 1)
    panels = figure.subplots(1, len(METRIC_NAMES), sharey=True)
    for axes, (metric, name) in zip(panels, METRIC_NAMES.items(), strict=True):
        _draw_dots(axes, table, metric)
        _label(axes, name, "")
    panels[0].set_yticks(range(len(table)), table["Model"], fontsize=_TEXT)
    panels[0].set_ylim(len(table) - 0.5, -0.7)
    shown = [panel.get_legend_handles_labels() for panel in panels]
    key = {label: handle for handles, labels in shown for handle, label in zip(handles, labels, strict=True)}
    figure.legend(list(key.values()), list(key), **_LEGEND, loc="outside lower center", ncols=len(key))
    return figure


def _area(curve: Curve | None) -> str:
    return "undefined" if curve is None else f"{curve.area:.3f}"


def _draw_roc(axes: Axes, curves: Mapping[str, Curve | None], label: ArrayLike) -> None:
    _draw_curves(axes, curves)
    axes.plot([0, 1], [0, 1], label="random", **_RANDOM)
    _label(axes, "False positive rate", "True positive rate (recall)")


def _draw_precision_recall(axes: Axes, curves: Mapping[str, Curve | None], label: ArrayLike) -> None:
    _draw_curves(axes, curves, drawstyle="steps-pre")
    prevalence = float(np.mean(np.asarray(label, dtype=np.float64)))
    axes.plot([0, 1], [prevalence] * 2, label=f"prevalence {prevalence:.3f}", **_RANDOM)
    _label(axes, "Recall", "Precision")


def _draw_curves(axes: Axes, curves: Mapping[str, Curve | None], **style: Any) -> None:
    """Curves under their names; where none is defined the axes say so."""
    looks = [(colour, dash) for dash in ("-", ":", "-.") for colour in COLOURS]
    for number, (name, curve) in enumerate(curves.items()):
        if curve is not None:
            colour, dash = looks[number % len(looks)]
            axes.plot(curve.x, curve.y, label=name, color=colour, linestyle=dash, linewidth=1.4, **style)
    if all(curve is None for curve in curves.values()):
        axes.text(0.5, 0.5, ONE_CLASS.replace(": ", ":\n"), ha="center", color=ACCENT, fontsize=_SMALL,
                  bbox={"color": "white"})  # fmt: skip
    axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01), aspect="equal")


def _draw_confusion(axes: Axes, label: ArrayLike, probability: ArrayLike, threshold: float) -> None:
    cells = confusion(label, probability, threshold)
    axes.imshow(cells.percent, cmap="Blues", vmin=0, vmax=100)
    for (row, column), text in np.ndenumerate(np.array(cells.texts("\n"))):
        colour = "white" if cells.percent[row, column] > _DARK_PERCENT else "black"
        axes.text(column, row, text, ha="center", va="center", color=colour, fontsize=_TEXT)
    axes.set_xticks([0, 1], DECISIONS)
    axes.set_yticks([0, 1], DECISIONS, rotation=90, va="center")
    _label(axes, f"Decision at probability ≥ {threshold:g}", "Label (percent of row)")
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)


def _draw_calibration(upper: Axes, lower: Axes, label: ArrayLike, probability: ArrayLike) -> None:
    bins = reliability(label, probability)
    filled = bins[bins["Pairs"] > 0]
    upper.plot(filled["Probability"], filled["Fraction"], "o-", color=MAIN, markersize=4, linewidth=1.4, label="model")
    upper.plot([0, 1], [0, 1], label="calibrated", **_RANDOM)
    upper.set(xlim=(-0.02, 1.02), ylim=(-0.03, 1.03), xticks=np.linspace(0, 1, 6))
    upper.legend(**_LEGEND, loc="best")
    _label(upper, "", "Fraction interacting")
    upper.tick_params(labelbottom=False)
    lower.bar(bins["Start"], bins["Pairs"], width=bins["End"] - bins["Start"], align="edge", color=MAIN, alpha=0.6,
              edgecolor="white", linewidth=0.5)  # fmt: skip
    _label(lower, "Predicted probability", "Pairs")
    lower.locator_params(axis="y", nbins=2)
    lower.yaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))


def _draw_dots(axes: Axes, table: pd.DataFrame, metric: str) -> None:
    rows, values = np.arange(len(table)), table[metric]
    if f"{metric}_low" in table:
        low, high = table[f"{metric}_low"], table[f"{metric}_high"]
        axes.hlines(rows, low, high, color=MAIN, linewidth=1.6, zorder=3, label="95 % interval")
    axes.plot(values, rows, "o", color=MAIN, markersize=4, zorder=3, label="value")
    for row, value in zip(rows, values, strict=True):
        if np.isfinite(value):
            axes.annotate(f"{value:.3f}", (value, row), (0, 5), textcoords="offset points", ha="center",
                          fontsize=_SMALL - 1, bbox={"color": "white", "pad": 0.5}, zorder=2)  # fmt: skip
    random = _random_level(table, metric)
    if random is not None:
        axes.axvline(random, label="without information", **_RANDOM)
    axes.margins(x=0.25)
    axes.grid(axis="y", color="#dddddd", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.locator_params(axis="x", nbins=5)
    axes.tick_params(axis="y", length=0)


def _random_level(table: pd.DataFrame, metric: str) -> float | None:
    """What a score without information reaches; None where the models' pairs differ in prevalence."""
    prevalence = (table["n_positives"] / table["n_pairs"]).unique()
    if len(prevalence) != 1:
        return None
    share = float(prevalence[0])
    return {"accuracy": max(share, 1 - share), "mcc": 0.0, "auroc": 0.5, "aupr": share}[metric]


def _label(axes: Axes, x: str, y: str) -> None:
    axes.set_xlabel(x, fontsize=_TEXT)
    axes.set_ylabel(y, fontsize=_TEXT)
    axes.tick_params(labelsize=_SMALL)
    axes.spines[["top", "right"]].set_visible(False)
