"""Figures of coverage and enrichment (Matplotlib), at the width of two columns of a journal."""

import math
from typing import Any, Final

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import BoundaryNorm, ListedColormap
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from esm2_amp.figures.palette import ACCENT, COLOURS, GREY, MAIN
from esm2_amp.regions.coverage import Coverage, chosen_coverage
from esm2_amp.regions.enrichment import LOW_SEGMENTS, RANDOM_SEGMENTS
from esm2_amp.regions.segments import SELECTIONS
from esm2_amp.regions.types import ALL

WIDTH: Final = 7.0
_TEXT, _SMALL = 8, 7
_COLUMNS = 6
_HOLE = 0.34
_NOTHING = "#DDDDDD"
_BINS = 10
_STYLES = {"Top": (MAIN, "-"), "Low": (ACCENT, "--")}

_BIN_COLOURS = [_NOTHING, *mpl.colormaps["viridis_r"](np.linspace(0.02, 1, _BINS))]


def donut_figure(segments: pd.DataFrame, measured: Coverage, title: str) -> Figure:
    """Coverage in bins of 10 % as nested donuts: top above low, a column per type, a ring per rank.

    Parameters
    ----------
    segments : DataFrame
        Rows of `rank_segments` of one group.
    measured : Coverage
        Coverage of all segments of the proteins by the types to draw.
    title : str
        The figure's title.

    Returns
    -------
    figure : Figure
        As wide as two columns of a journal, as high as the types need.
    """
    covered, residues = chosen_coverage(segments, measured)
    bins = coverage_bins(covered, residues)
    columns = min(_COLUMNS, len(measured.types))
    blocks = math.ceil(len(measured.types) / columns)
    figure = Figure(figsize=(WIDTH, 0.95 + 2.45 * blocks), layout="constrained")
    figure.suptitle(title, fontsize=_TEXT)
    grid = figure.subplots(2 * blocks, columns, squeeze=False)
    for axes in grid.flat:
        axes.set_axis_off()
    for number, name in enumerate(measured.types):
        for line, selection in enumerate(SELECTIONS):
            axes = grid[2 * (number // columns) + line, number % columns]
            is_chosen = (segments["Selection"] == selection).to_numpy()
            _draw_rings(axes, bins[is_chosen, number], segments.loc[is_chosen, "Rank"].to_numpy())
            if line == 0:
                axes.set_title(shown_type(name), fontsize=_TEXT)
            if number % columns == 0:
                axes.text(-0.08, 0.5, f"{selection} segments", rotation=90, transform=axes.transAxes, fontsize=_TEXT,
                          ha="right", va="center")  # fmt: skip
    _draw_bin_key(figure, grid, int(segments["Rank"].max()))
    return figure


def coverage_bins(covered: NDArray[np.int64], residues: NDArray[np.int64]) -> NDArray[np.int64]:
    """Bins of coverages.

    Parameters
    ----------
    covered : ndarray, shape (S, K), int64
        Covered residues of S segments by K types.
    residues : ndarray, shape (S,), int64
        All residues of the segments.

    Returns
    -------
    bins : ndarray, shape (S, K), int64
        0 for no covered residue, then 1 (up to 10 %) to 10 (above 90 %).
    """
    return np.asarray(-(-_BINS * covered // residues.clip(1)[:, None]))


def distribution_figure(segments: pd.DataFrame, measured: Coverage, title: str) -> Figure:
    """Share of top and of low segments that reach each coverage, by type, beside all segments of the same proteins.

    Parameters
    ----------
    segments : DataFrame
        Rows of `rank_segments` of one group.
    measured : Coverage
        Coverage of all segments of the proteins by the types to draw.
    title : str
        The figure's title.

    Returns
    -------
    figure : Figure
        As wide as two columns of a journal, a panel for each type.
    """
    covered, residues = chosen_coverage(segments, measured)
    percent = 100 * covered / residues.clip(1)[:, None]
    pairs = segments.drop_duplicates("Pair")
    rows = pd.Index(measured.entries).get_indexer(pd.concat([pairs["Protein1"], pairs["Protein2"]]))
    every = 100 * measured.fraction[rows].reshape(-1, len(measured.types))
    columns = min(3, len(measured.types))
    lines = math.ceil(len(measured.types) / columns)
    figure = Figure(figsize=(WIDTH, 0.8 + 1.75 * lines), layout="constrained")
    figure.suptitle(title, fontsize=_TEXT)
    grid = figure.subplots(lines, columns, squeeze=False, sharex=True)
    for axes, number in zip(grid.flat, range(grid.size), strict=True):
        if number >= len(measured.types):
            axes.set_axis_off()
            continue
        _draw_share(axes, every[:, number], color=GREY, linestyle=":", label="All segments of these proteins")
        for selection, (colour, dash) in _STYLES.items():
            is_chosen = (segments["Selection"] == selection).to_numpy()
            _draw_share(axes, percent[is_chosen, number], color=colour, linestyle=dash, label=f"{selection} segments")
        axes.set_title(shown_type(measured.types[number]), fontsize=_TEXT)
        _tidy(axes)
        axes.set(xlim=(0, 100), ylim=(0, None))
    # as the label of one panel: a legend outside the panels would lie over the figure's own label
    grid[-1, columns // 2].set_xlabel("Coverage (% of a segment's residues)", fontsize=_TEXT)
    figure.supylabel("Segments covered at least so far (%)", fontsize=_TEXT)
    figure.legend(*grid[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=3, fontsize=_SMALL,
                  frameon=False)  # fmt: skip
    return figure


def enrichment_figure(table: pd.DataFrame, level: float, title: str) -> Figure:
    """Differences in mean coverage with their intervals, by type.

    Parameters
    ----------
    table : DataFrame
        Rows of `enrichment` of one group.
    level : float
        Differences with a q-value up to this have filled markers.
    title : str
        The figure's title.

    Returns
    -------
    figure : Figure
        A line for each type.
    """
    compared = {
        ("Top", RANDOM_SEGMENTS): ("Top − random segments", MAIN, "o"),
        ("Low", RANDOM_SEGMENTS): ("Low − random segments", ACCENT, "D"),
        ("Top", LOW_SEGMENTS): ("Top − low segments", COLOURS[-1], "s"),
    }
    types = list(dict.fromkeys(table["RegionType"]))
    figure = Figure(figsize=(WIDTH * 0.7, 1.25 + 0.42 * len(types)), layout="constrained")
    figure.suptitle(title, fontsize=_TEXT)
    axes = figure.subplots()
    for number, (chosen, (label, colour, marker)) in enumerate(compared.items()):
        rows = table[(table["Selection"] == chosen[0]) & (table["Against"] == chosen[1])]
        y = rows["RegionType"].map(types.index).to_numpy() + 0.24 * (number - 1)
        axes.hlines(y, rows["DifferencePointsLow"], rows["DifferencePointsHigh"], color=colour, linewidth=1)
        is_called = (rows["Q"] <= level).to_numpy()
        for marked, face in ((is_called, colour), (~is_called, "white")):
            axes.plot(rows["DifferencePoints"].to_numpy()[marked], y[marked], marker, color=colour,
                      markerfacecolor=face, markersize=4)  # fmt: skip
        axes.plot([], [], marker, color=colour, markersize=4, label=label)
    axes.axvline(0, color=GREY, linewidth=0.8, linestyle="--", zorder=0)
    axes.set_yticks(range(len(types)), [shown_type(name) for name in types])
    axes.invert_yaxis()
    _tidy(axes)
    axes.set_xlabel("Difference in mean coverage (percentage points, 95 % interval)", fontsize=_TEXT)
    handles, _ = axes.get_legend_handles_labels()
    handles.append(Line2D([], [], linestyle="", marker="o", color=GREY, markerfacecolor="white", markersize=4))
    labels = [words for words, *_ in compared.values()]
    figure.legend(handles, [*labels, f"open: q > {level:g}"], loc="outside lower center", ncols=2, fontsize=_SMALL,
                  frameon=False)  # fmt: skip
    return figure


def shown_type(name: str) -> str:
    """The name of a type in figures and in the report.

    Parameters
    ----------
    name : str
        The type, or `ALL`.
    """
    return "All types" if name == ALL else name.replace("_", " ")


def _draw_rings(axes: Axes, bins: NDArray[np.int64], rank: NDArray[np.int64]) -> None:
    """A ring per rank, the first innermost; clockwise from the top by coverage."""
    ranks = int(rank.max(initial=0))
    width = (1 - _HOLE) / max(ranks, 1)
    for number in range(1, ranks + 1):
        counts = np.bincount(bins[rank == number], minlength=_BINS + 1)
        axes.pie(
            counts, radius=_HOLE + number * width, colors=_BIN_COLOURS, startangle=90, counterclock=False,
            wedgeprops={"width": width, "edgecolor": "white", "linewidth": 0.3},
        )  # fmt: skip
    axes.set(xlim=(-1.02, 1.02), ylim=(-1.02, 1.02))


def _draw_bin_key(figure: Figure, grid: Any, ranks: int) -> None:
    norm = BoundaryNorm(np.arange(-0.5, _BINS + 1), _BINS + 1)
    colours = mpl.cm.ScalarMappable(norm, ListedColormap(_BIN_COLOURS))
    bar = figure.colorbar(colours, ax=grid, location="bottom", aspect=45, shrink=0.8, pad=0.02)
    words = ["none", ">0–10", *(f"{10 * i}–{10 * i + 10}" for i in range(1, _BINS))]
    bar.set_ticks(list(range(_BINS + 1)), labels=words, fontsize=_SMALL)
    bar.ax.tick_params(length=0)
    bar.outline.set_visible(False)  # type: ignore[operator]
    rings = "" if ranks == 1 else f"; rings: rank 1 (inner) to {ranks} (outer)"
    bar.set_label(f"Coverage of a pair's segment (% of its residues){rings}", fontsize=_TEXT)


def _draw_share(axes: Axes, percent: NDArray[np.float64], **style: Any) -> None:
    """Percent of segments with at least a coverage, from the smallest coverage above 0."""
    # the first of equal coverages in the sorted array: all that stand behind it are at least as high
    values, first = np.unique(np.sort(percent), return_index=True)
    share = 100 * (len(percent) - first) / max(len(percent), 1)
    covered = values > 0
    x, y = ([0, *values[covered]], [share[covered][0], *share[covered]]) if covered.any() else ([0, 100], [0, 0])
    axes.plot(x, y, linewidth=1.2, drawstyle="steps-pre", **style)


def _tidy(axes: Axes) -> None:
    axes.tick_params(labelsize=_SMALL)
    axes.spines[["top", "right"]].set_visible(False)
    axes.xaxis.set_major_locator(MaxNLocator(6))
