"""The figure of a leakage audit (Matplotlib)."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import StrMethodFormatter

from esm2_amp.figures.palette import ACCENT, MAIN
from esm2_amp.parameters.pair_building import SPLITS
from esm2_amp.splits.audit import Audit

_TEXT, _SMALL = 9, 8
_DARK_PERCENT = 60
"""Cells above it are dark and bear white text."""
_STYLES = {"Positives": (MAIN, "-"), "Negatives": (ACCENT, "--")}


def audit_figure(audit: Audit, title: str) -> Figure:
    """Degrees in positives and in negatives, split by split, and the proteins that splits share.

    Parameters
    ----------
    audit : Audit
        The audit of the splits.
    title : str
        Names the data.
    """
    figure = Figure(figsize=(7.2, 6.0), layout="constrained", dpi=200)
    figure.suptitle(title, fontsize=_TEXT + 1)
    *panels, matrix = figure.subplots(2, 2).flat
    for axes, split in zip(panels, SPLITS, strict=True):
        _draw_degrees(axes, audit, split)
    panels[0].legend(fontsize=_SMALL, frameon=False, loc="lower left")
    _draw_shared(matrix, audit)
    return figure


def _draw_degrees(axes: Axes, audit: Audit, split: str) -> None:
    """Share of a split's proteins with at least so many pairs of a class; unlike a histogram it needs no bins."""
    degrees = audit.degrees[audit.degrees["Split"] == split]
    for name, (colour, dash) in _STYLES.items():
        degree, proteins = np.unique(degrees[name].to_numpy(), return_counts=True)
        at_least = proteins[::-1].cumsum()[::-1] / max(len(degrees), 1)
        some = degree > 0
        axes.plot(degree[some], at_least[some], color=colour, linestyle=dash, linewidth=1.4, drawstyle="steps-pre",
                  label=f"in {name.lower()}")  # fmt: skip
    if len(degrees):
        axes.set(xscale="log", yscale="log")
    statistic = audit.report["splits"][split]["degrees"]["kolmogorov_smirnov"]
    said = "no pairs" if statistic is None else f"{len(degrees):,} proteins, KS {statistic:.3f}"
    axes.set_title(f"{split}: {said}", fontsize=_TEXT)
    axes.set_xlabel("Pairs of a protein", fontsize=_TEXT)
    axes.set_ylabel("Share of proteins with at least so many", fontsize=_TEXT)
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    axes.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axes.tick_params(labelsize=_SMALL)
    axes.spines[["top", "right"]].set_visible(False)


def _draw_shared(axes: Axes, audit: Audit) -> None:
    """Proteins in both of two splits; on the diagonal those of a split."""
    proteins = {split: set(part["Protein"]) for split, part in audit.degrees.groupby("Split")}
    sets = [proteins.get(split, set()) for split in SPLITS]
    counts = np.array([[len(one & other) for other in sets] for one in sets])
    percent = 100 * counts / np.maximum(counts.diagonal(), 1)
    axes.imshow(np.where(np.eye(len(SPLITS), dtype=bool), np.nan, percent), cmap="Oranges", vmin=0, vmax=100)
    for (row, column), count in np.ndenumerate(counts):
        text = f"{count:,}" if row == column else f"{count:,}\n{percent[row, column]:.1f} %"
        colour = "white" if row != column and percent[row, column] > _DARK_PERCENT else "black"
        axes.text(column, row, text, ha="center", va="center", color=colour, fontsize=_TEXT)
    axes.set_xticks(range(len(SPLITS)), SPLITS, fontsize=_SMALL)
    axes.set_yticks(range(len(SPLITS)), SPLITS, fontsize=_SMALL, rotation=90, va="center")
    axes.set_title("Proteins in two splits (percent of the column's)", fontsize=_TEXT)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
