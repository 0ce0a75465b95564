"""Figures of the tests of residues (Matplotlib)."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from esm2_amp.explanation.figures import COLUMN, NOTHING_PLANTED, PAGE, SMALL, add_title, note_figure
from esm2_amp.explanation.residue_deletion import CHOSEN
from esm2_amp.figures.axes import label_axes
from esm2_amp.figures.palette import ACCENT, COLOURS, GREY, MAIN


def residue_deletion_figure(curves: pd.DataFrame, names: Mapping[str, str], title: str) -> Figure:
    """Fall of the logit while residues are masked: those a method chose, beside random windows of the same sizes.

    Parameters
    ----------
    curves : DataFrame
        Of `esm2_amp.explanation.residue_deletion.ResidueDeletion`; where it is empty, the figure is blank.
    names : mapping of str to str
        What the methods are called.
    title : str
        Title of the figure.
    """
    if curves.empty:
        return Figure()
    methods = list(dict.fromkeys(curves["Method"]))
    figure = Figure(figsize=(max(COLUMN, min(PAGE, 2.3 * len(methods))), 2.9), layout="constrained")
    panels = figure.subplots(1, len(methods), sharey=True, squeeze=False)[0]
    for axes, method in zip(panels, methods, strict=True):
        for order, points in curves[curves["Method"] == method].groupby("Order", sort=False):
            colour, style = (MAIN, "o-") if order == CHOSEN else (GREY, "--")
            share = 100 * points["Share"]
            axes.plot(share, points["Fall"], style, color=colour, markersize=2.5, linewidth=1.1, label=order)
            axes.fill_between(share, points["Low"], points["High"], color=colour, alpha=0.15, linewidth=0)
        axes.set_title(names[method], fontsize=SMALL + 1)
        axes.axhline(0, color="black", linewidth=0.6)
        axes.set_xlim(0, None)
        label_axes(axes, "Residues masked (%)", "Fall of the logit" if axes is panels[0] else "")
    figure.legend(*panels[0].get_legend_handles_labels(), fontsize=SMALL, frameon=False, loc="outside lower center",
                  ncols=2)  # fmt: skip
    add_title(figure, title)
    return figure


def planted_residues_figure(table: pd.DataFrame, names: Mapping[str, str], title: str) -> Figure:
    """How much of a planted motif is among the top residues, and how often the peak is at it, against chance.

    Parameters
    ----------
    table : DataFrame
        As from `esm2_amp.explanation.planted_residues.planted_residues`; where it is empty, the figure has a remark
        only.
    names : mapping of str to str
        What the methods are called.
    title : str
        Title of the figure.
    """
    if table.empty:
        return note_figure(NOTHING_PLANTED, title)
    first = table.iloc[0]
    shown = {
        f"Motif among the top {first['Top']} residues (%)": ["Share", "Low", "High", "ShareByChance"],
        f"Peaks up to {first['Near']} residues from the motif (%)": [
            "AtMotif", "AtMotifLow", "AtMotifHigh", "AtMotifByChance",
        ],
    }  # fmt: skip
    figure = Figure(figsize=(PAGE, 1.15 + 0.28 * len(table)), layout="constrained")
    panels, places = figure.subplots(1, len(shown), sharey=True), np.arange(len(table))
    for axes, (words, columns) in zip(panels, shown.items(), strict=True):
        value, low, high, chance = (100 * table[name].to_numpy(np.float64) for name in columns)
        axes.hlines(places, low, high, color=COLOURS[0], linewidth=1.6)
        dots = axes.plot(value, places, "o", color=COLOURS[0], markersize=4, label="method, 95 % interval")
        axes.vlines(chance, places - 0.35, places + 0.35, color=ACCENT, linewidth=1.6)
        axes.set_yticks(places, [names[method] for method in table["Method"]])
        axes.set(xlim=(0, 103), ylim=(len(table) - 0.5, -0.65))
        label_axes(axes, words, "")
        axes.tick_params(axis="y", length=0)
    line = panels[0].plot([], [], "|", color=ACCENT, markersize=8, markeredgewidth=1.6, label="chance")
    figure.legend(handles=[*dots, *line], fontsize=SMALL, frameon=False, loc="outside lower center", ncols=2)
    add_title(figure, title)
    return figure
