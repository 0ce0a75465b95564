"""Figures of the explanation on latents: the fit of the autoencoder, and the strongest columns of each classifier."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from esm2_amp.explanation.figures import COLUMN, PAGE, SMALL, TEXT, add_title
from esm2_amp.explanation.latents import FITTED, HELD_OUT, UNSEEN
from esm2_amp.figures.axes import label_axes
from esm2_amp.figures.palette import ACCENT, GREY, MAIN

_GROUP_COLOURS = {FITTED: MAIN, HELD_OUT: ACCENT, UNSEEN: GREY}
_BINS = 100
"""Across a beeswarm's axis: points in the same bin are stacked."""


def autoencoder_figure(record: pd.DataFrame, report: pd.DataFrame, title: str) -> Figure:
    """Loss over the epochs, and the explained variance of every token by group of proteins.

    Parameters
    ----------
    record : DataFrame
        `autoencoder_record` of `latent_explanation`; without rows where weights were loaded.
    report : DataFrame
        Of `reconstruction_table`.
    title : str
        Title of the figure.
    """
    figure = Figure(figsize=(PAGE, 2.8), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=[1, 1.25])
    if record.empty:
        left.text(0.5, 0.5, "Weights were loaded, not trained", ha="center", fontsize=TEXT, transform=left.transAxes)
    else:
        left.plot(record["Epoch"], record["TrainingLoss"], color=MAIN, label=f"{FITTED} proteins")
        left.plot(record["Epoch"], record["ValidationLoss"], color=ACCENT, label=f"{HELD_OUT} proteins")
        selected = record.loc[record["Selected"], "Epoch"].iloc[0]
        left.axvline(selected, color=GREY, linewidth=1, linestyle=":", label="selected epoch")
        left.xaxis.set_major_locator(MaxNLocator(integer=True))
        left.set_yscale("log")
        left.legend(fontsize=SMALL, frameon=False)
    left.set_title("Training", fontsize=TEXT)
    label_axes(left, "Epoch", "Mean squared error")
    _draw_explained_variance(right, report[report["Token"] != "all"])
    groups = right.get_legend_handles_labels()  # outside, where its dots can't be taken for data
    figure.legend(*groups, loc="outside lower right", ncols=len(groups[0]), fontsize=SMALL, frameon=False)
    add_title(figure, title)
    return figure


def _draw_explained_variance(axes: Axes, report: pd.DataFrame) -> None:
    names = report["Token"].unique()
    for number, (name, part) in enumerate(report.groupby("Proteins", sort=False)):
        apart = 0.2 * (number - (report["Proteins"].nunique() - 1) / 2)
        axes.plot(np.arange(len(names)) + apart, part["ExplainedVariance"], "o", color=_GROUP_COLOURS[str(name)],
                  markersize=3.5, label=f"{name} proteins")  # fmt: skip
    axes.set_xticks(range(len(names)), names, rotation=45, ha="right", rotation_mode="anchor")
    axes.set_title("Reconstruction", fontsize=TEXT)
    label_axes(axes, "", "Explained variance (fraction)")


def beeswarm_figure(
    attributions: NDArray[np.floating],
    values: NDArray[np.float32],
    columns: Sequence[str],
    title: str,
    xlabel: str,
    shown: int = 15,
) -> Figure:
    """SHAP summary: a point per pair in the rows of the columns with the largest mean absolute attribution.

    Parameters
    ----------
    attributions : ndarray, shape (B, D')
        Attribution of each column; where a point lies.
    values : ndarray, shape (B, D')
        Value of each column; its rank among the pairs is a point's colour.
    columns : sequence of str
        Names of the columns.
    title, xlabel : str
        Title of the figure, and the name of its axis.
    shown : int
        Columns that are drawn at most.
    """
    top = np.argsort(-np.abs(attributions).mean(axis=0), kind="stable")[:shown]
    figure = Figure(figsize=(COLUMN, 1.2 + 0.19 * len(top)), layout="constrained")
    axes = figure.add_subplot()
    axes.axvline(0, color=GREY, linewidth=0.8)
    for row, column in enumerate(top):
        points = axes.scatter(
            attributions[:, column], row + _stacked(attributions[:, column]), s=3, linewidths=0, cmap="cividis",
            c=pd.Series(values[:, column]).rank(pct=True), vmin=0, vmax=1, rasterized=True,
        )  # fmt: skip
    axes.set_yticks(range(len(top)), [columns[column] for column in top])
    axes.set_ylim(len(top) - 0.4, -0.6)
    label_axes(axes, xlabel, "")
    axes.tick_params(axis="y", length=0)
    axes.locator_params(axis="x", nbins=4)
    add_title(figure, title)
    bar = figure.colorbar(points, ax=axes, ticks=[0, 1], aspect=40, pad=0.02)
    bar.ax.set_yticklabels(["low", "high"], fontsize=SMALL)
    bar.set_label("Latent's value (rank)", fontsize=SMALL, labelpad=-8)
    bar.outline.set_visible(False)  # type: ignore[operator]
    return figure


def _stacked(x: NDArray[np.floating]) -> NDArray[np.float64]:
    """Offsets of at most 0.4 from a row's middle, so that points at the same place lie beside one another."""
    span = np.ptp(x)
    place = np.zeros(len(x), dtype=int) if span == 0 else ((x - x.min()) / span * _BINS).astype(int)
    order = np.argsort(place, kind="stable")
    starts = np.searchsorted(place[order], place[order])
    nth = np.empty(len(x), dtype=int)
    nth[order] = np.arange(len(x)) - starts
    side = np.where(nth % 2 == 0, 1, -1) * ((nth + 1) // 2)
    offsets: NDArray[np.float64] = 0.4 * side / max(1, np.abs(side).max())
    return offsets
