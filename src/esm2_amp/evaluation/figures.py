"""Figures for print (Matplotlib): one model at a glance, and several compared.

They are built on `Figure` itself, without pyplot's global state, and take a title that names the split.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import StrMethodFormatter

from esm2_amp.figures.axes import label_axes
from esm2_amp.figures.palette import ACCENT, COLOURS, COMPARED_METRICS, DECISIONS, GREY, MAIN, ONE_CLASS
from esm2_amp.statistics.curves import Confusion, Curve, PairCurves, pair_curves

_TEXT, _SMALL = 9, 8
"""Font sizes in points: legible when a figure is reduced to a column of 85 mm."""

_RANDOM: dict[str, Any] = {"color": GREY, "linestyle": "--", "linewidth": 1, "zorder": 1}
_LEGEND: dict[str, Any] = {"fontsize": _SMALL, "framealpha": 0.9, "edgecolor": "none"}

_MARKERS = {"model": (MAIN, "o"), "baseline": (ACCENT, "D")}
"""Colour and marker of each kind of row where models and baselines are compared."""

_SEEN = {"C1": "both proteins in training", "C2": "one protein in training", "C3": "no protein in training"}

_DARK_PERCENT = 60
"""Cells of the confusion matrix above it are dark, with white text."""


def summary_figure(curves: PairCurves, cells: Confusion, title: str) -> Figure:
    """ROC, precision-recall, confusion matrix and calibration of one model."""
    figure = Figure(figsize=(5.6, 5.6), layout="constrained", dpi=200)
    figure.suptitle(f"{title} ({cells.counts.sum():,} pairs)", fontsize=_TEXT + 1)
    grid = figure.add_gridspec(2, 2)
    upper = [figure.add_subplot(grid[0, column]) for column in (0, 1)]
    _draw_roc(upper[0], {f"AUROC {_area(curves.roc)}": curves.roc})
    named = {f"AUPR {_area(curves.precision_recall)}": curves.precision_recall}
    _draw_precision_recall(upper[1], named, curves.prevalence)
    for axes in upper:
        axes.legend(**_LEGEND, loc="lower right")
    _draw_confusion(figure.add_subplot(grid[1, 0]), cells)
    lower = grid[1, 1].subgridspec(2, 1, height_ratios=[3, 1], hspace=0.04)
    calibration = figure.add_subplot(lower[0])
    _draw_calibration(calibration, figure.add_subplot(lower[1], sharex=calibration), curves.reliability)
    return figure


def comparison_curves(scored: Mapping[str, pd.DataFrame], title: str) -> Figure:
    """ROC and precision-recall curves of several models over one another.

    Parameters
    ----------
    scored : mapping of model name to DataFrame
        Columns `Label`, `Probability`; the same pairs for all. The order decides the colours.
    title : str
        Title of the figure.
    """
    figure = Figure(figsize=(7.2, 4.1 + 0.1 * len(scored)), layout="constrained", dpi=200)
    figure.suptitle(title, fontsize=_TEXT + 1)
    roc_curves, precision_curves = {}, {}
    for model, pairs in scored.items():
        curves = pair_curves(pairs["Label"], pairs["Probability"])
        name = f"{model}: {_area(curves.roc)}, {_area(curves.precision_recall)}"
        roc_curves[name], precision_curves[name] = curves.roc, curves.precision_recall
    roc_axes, precision_axes = figure.subplots(1, 2)
    _draw_roc(roc_axes, roc_curves)
    _draw_precision_recall(precision_axes, precision_curves, curves.prevalence)
    figure.legend(
        *roc_axes.get_legend_handles_labels(), **_LEGEND, loc="outside lower center", ncols=2,
        title="Model: AUROC, AUPR", title_fontsize=_SMALL,
    )  # fmt: skip
    return figure


def comparison_figure(table: pd.DataFrame, title: str) -> Figure:
    """Accuracy, MCC, AUROC and AUPR of models and baselines as dots with their intervals.

    Parameters
    ----------
    table : DataFrame
        `Model`; `Kind`, "model" or "baseline"; `Pairs`, `Positives`; and each metric with its interval in
        `<Metric>Low` and `<Metric>High`. The first row is drawn on top.
    title : str
        Title of the figure.
    """
    figure = Figure(figsize=(7.2, 1.35 + 0.34 * len(table)), layout="constrained", dpi=200)
    figure.suptitle(title, fontsize=_TEXT + 1)
    panels = figure.subplots(1, len(COMPARED_METRICS), sharey=True)
    for axes, metric in zip(panels, COMPARED_METRICS, strict=True):
        _draw_dots(axes, table, metric)
        label_axes(axes, metric, "", size=_TEXT)
    _name_rows(panels, table["Model"])
    _draw_key(figure)
    return figure


def differences_figure(table: pd.DataFrame, reference: str, title: str) -> Figure:
    """How much better than a baseline each model ranks pairs, with intervals and verdicts.

    Parameters
    ----------
    table : DataFrame
        `Model`, `Difference` in AUROC, `Low`, `High`, `Verdict`; the first row is drawn on top.
    reference : str
        Name of the baseline.
    title : str
        Title of the figure.
    """
    figure = Figure(figsize=(6.0, 1.25 + 0.34 * len(table)), layout="constrained", dpi=200)
    figure.suptitle(title, fontsize=_TEXT + 1)
    axes, rows = figure.subplots(), np.arange(len(table))
    _draw_intervals(axes, table["Low"], table["High"], [MAIN] * len(table))
    axes.plot(table["Difference"], rows, "o", color=MAIN, markersize=4, zorder=3)
    _write_values(axes, table["Difference"], "+.3f")
    for row, verdict in zip(rows, table["Verdict"], strict=True):
        axes.annotate(verdict, (1.02, row), xycoords=axes.get_yaxis_transform(), va="center", fontsize=_TEXT)
    axes.axvline(0, **_RANDOM)
    _lay_out_dots(axes)
    label_axes(axes, f"AUROC minus that of {reference}, 95 % interval", "", size=_TEXT)
    _name_rows([axes], table["Model"])
    return figure


def risk_coverage_figure(table: pd.DataFrame, measures: Mapping[str, str], title: str) -> Figure:
    """Error among the pairs that one is surest of against their share, a panel for each measure of sureness.

    Parameters
    ----------
    table : DataFrame
        `Model`, `Measure`, `Coverage`, `Error`, `ErrorLow`, `ErrorHigh`; the first order of the models is kept.
    measures : mapping
        Each measure in words; those that no model has are left out.
    title : str
        Title of the figure.
    """
    shown = {name: words for name, words in measures.items() if (table["Measure"] == name).any()}
    models = table["Model"].unique().tolist()
    figure = Figure(figsize=(1.2 + 2.7 * len(shown), 3.3), layout="constrained", dpi=200)
    figure.suptitle(title, fontsize=_TEXT + 1)
    panels = figure.subplots(1, len(shown), sharex=True, sharey=True, squeeze=False)[0]
    for axes, (measure, words) in zip(panels, shown.items(), strict=True):
        for model, rows in table[table["Measure"] == measure].groupby("Model", sort=False):
            colour = COLOURS[models.index(model) % len(COLOURS)]
            axes.fill_between(rows["Coverage"], rows["ErrorLow"], rows["ErrorHigh"], color=colour, alpha=0.12, lw=0)
            axes.plot(rows["Coverage"], rows["Error"], color=colour, linewidth=1.3, label=model)
        label_axes(axes, "Share of the pairs, the surest first", "Error (1 − accuracy)", size=_TEXT)
        axes.label_outer()
        axes.set_title(f"by {words}", fontsize=_TEXT)
        axes.set_xlim(0, 1)
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, **_LEGEND, loc="outside lower center", ncols=3,
                  title="bands: 95 % intervals by bootstrap over proteins", title_fontsize=_SMALL)  # fmt: skip
    return figure


def strata_figure(strata: pd.DataFrame, title: str) -> Figure:
    """AUROC by how much of a pair was seen in training, one panel for each stratum that has pairs.

    Parameters
    ----------
    strata : DataFrame
        As from `strata.stratum_intervals`, and `Kind`; the models' first order is kept.
    title : str
        Title of the figure.
    """
    found = strata[(strata["Metric"] == "AUROC") & (strata["Pairs"] > 0)]
    tables = {str(stratum): table for stratum, table in found.groupby("Stratum")}
    figure = Figure(figsize=(2.2 + 1.8 * len(tables), 1.6 + 0.34 * strata["Model"].nunique()), layout="constrained",
                    dpi=200)  # fmt: skip
    figure.suptitle(title, fontsize=_TEXT + 1)
    panels = figure.subplots(1, len(tables), sharex=True, sharey=True, squeeze=False)[0]
    names = {"Value": "AUROC", "Low": "AUROCLow", "High": "AUROCHigh"}
    for axes, (stratum, table) in zip(panels, tables.items(), strict=True):
        _draw_dots(axes, table.rename(columns=names), "AUROC")
        label_axes(axes, "AUROC", "", size=_TEXT)
        axes.set_title(f"{stratum}: {table['Pairs'].iloc[0]:,} pairs\n{_SEEN[stratum]}", fontsize=_TEXT)
        if table["Value"].isna().all():
            axes.text(0.5, 0.5, "too few to measure,\nor of one class", ha="center", color=ACCENT, fontsize=_SMALL,
                      transform=axes.transAxes, bbox={"color": "white"})  # fmt: skip
    _name_rows(panels, next(iter(tables.values()))["Model"])
    _draw_key(figure)
    return figure


def _area(curve: Curve | None) -> str:
    return "undefined" if curve is None else f"{curve.area:.3f}"


def _draw_roc(axes: Axes, curves: Mapping[str, Curve | None]) -> None:
    _draw_curves(axes, curves)
    axes.plot([0, 1], [0, 1], label="random", **_RANDOM)
    label_axes(axes, "False positive rate", "True positive rate (recall)", size=_TEXT)


def _draw_precision_recall(axes: Axes, curves: Mapping[str, Curve | None], prevalence: float) -> None:
    _draw_curves(axes, curves, drawstyle="steps-pre")
    axes.plot([0, 1], [prevalence] * 2, label=f"prevalence {prevalence:.3f}", **_RANDOM)
    label_axes(axes, "Recall", "Precision", size=_TEXT)


def _draw_curves(axes: Axes, curves: Mapping[str, Curve | None], **style: Any) -> None:
    """Curves under their names, or a remark where none is defined."""
    looks = [(colour, dash) for dash in ("-", ":", "-.") for colour in COLOURS]
    for number, (name, curve) in enumerate(curves.items()):
        if curve is not None:
            colour, dash = looks[number % len(looks)]
            axes.plot(curve.x, curve.y, label=name, color=colour, linestyle=dash, linewidth=1.4, **style)
    if all(curve is None for curve in curves.values()):
        axes.text(0.5, 0.5, ONE_CLASS.replace(": ", ":\n"), ha="center", color=ACCENT, fontsize=_SMALL,
                  bbox={"color": "white"})  # fmt: skip
    axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01), aspect="equal")


def _draw_confusion(axes: Axes, cells: Confusion) -> None:
    axes.imshow(cells.percent, cmap="Blues", vmin=0, vmax=100)
    for (row, column), text in np.ndenumerate(np.array(cells.texts("\n"))):
        colour = "white" if cells.percent[row, column] > _DARK_PERCENT else "black"
        axes.text(column, row, text, ha="center", va="center", color=colour, fontsize=_TEXT)
    axes.set_xticks([0, 1], DECISIONS)
    axes.set_yticks([0, 1], DECISIONS, rotation=90, va="center")
    label_axes(axes, f"Decision at probability ≥ {cells.threshold:.3g}", "Label (percent of row)", size=_TEXT)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)


def _draw_calibration(upper: Axes, lower: Axes, bins: pd.DataFrame) -> None:
    filled = bins[bins["Pairs"] > 0]
    upper.plot(filled["Probability"], filled["Fraction"], "o-", color=MAIN, markersize=4, linewidth=1.4, label="model")
    upper.plot([0, 1], [0, 1], label="calibrated", **_RANDOM)
    upper.set(xlim=(-0.02, 1.02), ylim=(-0.03, 1.03), xticks=np.linspace(0, 1, 6))
    upper.legend(**_LEGEND, loc="best")
    label_axes(upper, "", "Fraction interacting", size=_TEXT)
    upper.tick_params(labelbottom=False)
    lower.bar(bins["Start"], bins["Pairs"], width=bins["End"] - bins["Start"], align="edge", color=MAIN, alpha=0.6,
              edgecolor="white", linewidth=0.5)  # fmt: skip
    label_axes(lower, "Predicted probability", "Pairs", size=_TEXT)
    lower.locator_params(axis="y", nbins=2)
    lower.yaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))


def _draw_dots(axes: Axes, table: pd.DataFrame, metric: str) -> None:
    """One metric of models and baselines, a row each, with its interval."""
    rows, kind = np.arange(len(table)), table["Kind"].to_numpy()
    _draw_intervals(axes, table[f"{metric}Low"], table[f"{metric}High"], [_MARKERS[name][0] for name in kind])
    for name, (colour, marker) in _MARKERS.items():
        if (kind == name).any():
            values = table.loc[kind == name, metric]
            axes.plot(
                values, rows[kind == name], marker, color=colour, markersize=4, linestyle="", zorder=3, label=name
            )
    _write_values(axes, table[metric], ".3f")
    random = _random_level(table, metric)
    if random is not None:
        axes.axvline(random, label="without information", **_RANDOM)
    _lay_out_dots(axes)


def _draw_intervals(axes: Axes, low: pd.Series, high: pd.Series, colours: Sequence[str]) -> None:
    axes.hlines(np.arange(len(low)), low, high, colors=colours, linewidth=1.6, zorder=3)


def _write_values(axes: Axes, values: pd.Series, style: str) -> None:
    for row, value in enumerate(values):
        if np.isfinite(value):
            axes.annotate(f"{value:{style}}", (value, row), (0, 5), textcoords="offset points", ha="center",
                          fontsize=_SMALL - 1, bbox={"color": "white", "pad": 0.5}, zorder=2)  # fmt: skip


def _lay_out_dots(axes: Axes) -> None:
    axes.margins(x=0.25)
    axes.grid(axis="y", color="#dddddd", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.locator_params(axis="x", nbins=4)
    axes.tick_params(axis="y", length=0)


def _name_rows(panels: Sequence[Axes], names: pd.Series) -> None:
    panels[0].set_yticks(range(len(names)), names, fontsize=_TEXT)
    panels[0].set_ylim(len(names) - 0.5, -0.7)


def _draw_key(figure: Figure) -> None:
    """One key for all panels, with a remark that lines are intervals."""
    shown = [panel.get_legend_handles_labels() for panel in figure.axes]
    key = {label: handle for handles, labels in shown for handle, label in zip(handles, labels, strict=True)}
    figure.legend(list(key.values()), list(key), **_LEGEND, loc="outside lower center", ncols=len(key),
                  title="95 % intervals by bootstrap over proteins", title_fontsize=_SMALL)  # fmt: skip


def _random_level(table: pd.DataFrame, metric: str) -> float | None:
    """Value of the metric for scores without information; None where the models' pairs differ in prevalence."""
    prevalence = (table["Positives"] / table["Pairs"]).unique()
    if len(prevalence) != 1:
        return None
    share = float(prevalence[0])
    return {"Accuracy": max(share, 1 - share), "MCC": 0.0, "AUROC": 0.5, "AUPR": share}[metric]
