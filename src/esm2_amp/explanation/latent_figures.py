"""Figures of the explanation on latents: how the autoencoder learnt, and which way the strongest columns push."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from esm2_amp.explanation.figures import COLUMN, PAGE
from esm2_amp.explanation.latents import FITTED, HELD_OUT, UNSEEN
from esm2_amp.figures.palette import ACCENT, GREY, MAIN

_TEXT, _SMALL = 8, 7
_GROUP_COLOURS = {FITTED: MAIN, HELD_OUT: ACCENT, UNSEEN: GREY}
_BINS = 100
"""Across a beeswarm's axis: points in the same bin are stacked."""


def autoencoder_figure(record: pd.DataFrame, report: pd.DataFrame, title: str) -> Figure:
    """Loss over the epochs, and the explained variance of every token by group of proteins.

    Parameters
    ----------
    record : DataFrame
        Of `AutoencoderFit`; without rows where weights were loaded.
    report : DataFrame
        Of `reconstruction_table`.
    title : str
    """
    figure = Figure(figsize=(PAGE, 2.8), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=[1, 1.25])
    if record.empty:
        left.text(0.5, 0.5, "Weights were loaded, not trained", ha="center", fontsize=_TEXT, transform=left.transAxes)
    else:
        left.plot(record["epoch"], record["training_loss"], color=MAIN, label=f"{FITTED} proteins")
        left.plot(record["epoch"], record["validation_loss"], color=ACCENT, label=f"{HELD_OUT} proteins")
        selected = record.loc[record["selected"], "epoch"].iloc[0]
        left.axvline(selected, color=GREY, linewidth=1, linestyle=":", label="selected epoch")
        left.xaxis.set_major_locator(MaxNLocator(integer=True))
        left.set_yscale("log")
        left.legend(fontsize=_SMALL, frameon=False)
    _finish(left, "Training", "Epoch")
    left.set_ylabel("Mean squared error", fontsize=_TEXT)
    _draw_explained_variance(right, report[report["Token"] != "all"])
    groups = right.get_legend_handles_labels()  # outside, where its dots can't be taken for data
    figure.legend(*groups, loc="outside lower right", ncols=len(groups[0]), fontsize=_SMALL, frameon=False)
    figure.suptitle(title, fontsize=_TEXT)
    return figure


def _draw_explained_variance(axes: Axes, report: pd.DataFrame) -> None:
    names = report["Token"].unique()
    for number, (name, part) in enumerate(report.groupby("Proteins", sort=False)):
        apart = 0.2 * (number - (report["Proteins"].nunique() - 1) / 2)
        axes.plot(np.arange(len(names)) + apart, part["ExplainedVariance"], "o", color=_GROUP_COLOURS[str(name)],
                  markersize=3.5, label=f"{name} proteins")  # fmt: skip
    axes.set_xticks(range(len(names)), names, rotation=45, ha="right", rotation_mode="anchor")
    _finish(axes, "Reconstruction", "")
    axes.set_ylabel("Explained variance (fraction)", fontsize=_TEXT)


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
    values : ndarray, shape (B, D')
        Of the columns; a point's colour is its rank among the pairs.
    columns : sequence of str
    title, xlabel : str
    shown : int
        Columns at most.
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
    _finish(axes, "", xlabel)
    axes.tick_params(axis="y", length=0)
    axes.locator_params(axis="x", nbins=4)
    figure.suptitle(title, fontsize=_TEXT)
    bar = figure.colorbar(points, ax=axes, ticks=[0, 1], aspect=40, pad=0.02)
    bar.ax.set_yticklabels(["low", "high"], fontsize=_SMALL)
    bar.set_label("Latent's value (rank)", fontsize=_SMALL, labelpad=-8)
    bar.outline.set_visible(False)  # type: ignore[operator]
    return figure


def _stacked(x: NDArray[np.floating]) -> NDArray[np.float64]:
    """Offsets from a row's middle, so that points at the same place lie beside one another: within ±0.4."""
    span = np.ptp(x)
    place = np.zeros(len(x), dtype=int) if span == 0 else ((x - x.min()) / span * _BINS).astype(int)
    order = np.argsort(place, kind="stable")
    starts = np.searchsorted(place[order], place[order])
    nth = np.empty(len(x), dtype=int)
    nth[order] = np.arange(len(x)) - starts
    side = np.where(nth % 2 == 0, 1, -1) * ((nth + 1) // 2)
    offsets: NDArray[np.float64] = 0.4 * side / max(1, np.abs(side).max())
    return offsets


def _finish(axes: Axes, title: str, xlabel: str) -> None:
    axes.set_title(title, fontsize=_TEXT)
    axes.set_xlabel(xlabel, fontsize=_TEXT)
    axes.tick_params(which="both", labelsize=_SMALL)
    axes.spines[["top", "right"]].set_visible(False)
