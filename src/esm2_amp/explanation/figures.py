"""Figures of explanations, sized for the columns of a paper (Matplotlib)."""

from collections.abc import Sequence
from math import ceil
from textwrap import wrap
from typing import Any, Final

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from esm2_amp.explanation.faithfulness import CURVES, RANDOM
from esm2_amp.explanation.methods import METHODS
from esm2_amp.figures.axes import label_axes
from esm2_amp.figures.palette import ACCENT, COLOURS, GREY, MAIN
from esm2_amp.protein import N_SEGMENTS

COLUMN, PAGE = 3.4, 7.0
"""Widths in inches of one column and of two."""

SIDE_COLOURS: Final = {"A": MAIN, "B": ACCENT}

TEXT, SMALL = 8, 7
"""Font sizes in points; the figures are printed as large as they are."""

_NO_VALUE = "n/a"

_LOOKS = list(zip(COLOURS, "osD^vPX", strict=True))
"""Colour and marker of each method."""


def token_bars(
    tokens: pd.DataFrame,
    title: str,
    ylabel: str,
    *,
    even: float | None = None,
    intervals: pd.DataFrame | None = None,
) -> Figure:
    """Tokens of both proteins from the N- to the C-terminus: their importance, or what they add to a logit, as bars.

    Parameters
    ----------
    tokens : DataFrame
        `Token`, `Importance`, in any order.
    title, ylabel : str
        Title of the figure, and the name of its axis.
    even : float, optional
        What each token would have if all were alike; drawn as a line.
    intervals : DataFrame, optional
        `Low`, `High` of each token, by its name.
    """
    figure = Figure(figsize=(COLUMN, 2.3), layout="constrained")
    importance = tokens.set_index("Token")["Importance"]
    for axes, (side, colour) in zip(figure.subplots(1, 2, sharey=True), SIDE_COLOURS.items(), strict=True):
        names = sorted(name for name in importance.index if name.startswith(f"{side}_"))  # cls, eos, segments
        names = sorted(names, key=lambda name: name.endswith("_eos"))  # cls, segments, eos
        axes.bar(range(len(names)), importance[names], color=colour, width=0.8)
        if intervals is not None:
            axes.vlines(range(len(names)), *intervals.loc[names, ["Low", "High"]].to_numpy().T, color="black",
                        linewidth=0.8, label="95 % interval of the mean")  # fmt: skip
        if even is not None:
            axes.axhline(even, color=GREY, linestyle="--", linewidth=0.8, label="all alike")
        if importance.min() < 0:
            axes.axhline(0, color="black", linewidth=0.8)
        axes.set_xticks(range(len(names)), [_token_label(name) for name in names])
        axes.set_title(f"Protein {side}", fontsize=TEXT, color=colour)
        label_axes(axes, "Segment, N → C", ylabel if side == "A" else "", size=TEXT)
        axes.tick_params(axis="x", length=0, labelsize=SMALL - 0.5, rotation=90 if len(names) > N_SEGMENTS else 0)
        axes.locator_params(axis="y", nbins=5)
    if figure.axes[0].get_legend_handles_labels()[0]:
        _key(figure, figure.axes[0], 2)
    add_title(figure, title)
    return figure


def _token_label(name: str) -> str:
    return name.split("_", 1)[1].removeprefix("segment")


def attention_map(weights: NDArray[np.floating], tokens: Sequence[str], title: str) -> Figure:
    """Attention weights of every layer as heat maps on one scale.

    Parameters
    ----------
    weights : ndarray, shape (layers, T, T), float
        Query by key, head-averaged.
    tokens : sequence of T str
        Names of the tokens.
    title : str
        Title of the figure.
    """
    n_columns = min(len(weights), 2)
    n_rows = ceil(len(weights) / n_columns)
    width = PAGE if n_columns > 1 else PAGE / 2 + 0.3
    figure = Figure(figsize=(width, 1.2 + 2.85 * n_rows), layout="compressed")
    panels = figure.subplots(n_rows, n_columns, sharex=True, sharey=True, squeeze=False)
    for axes in panels.flat[len(weights) :]:
        axes.set_visible(False)
    for number, (axes, of_layer) in enumerate(zip(panels.flat, weights, strict=False), start=1):
        image = axes.imshow(of_layer, cmap="viridis", vmin=0, vmax=float(weights.max()))
        axes.set_title(f"Layer {number}", fontsize=TEXT)
        axes.set_xticks(range(len(tokens)), tokens, rotation=90)
        axes.set_yticks(range(len(tokens)), tokens)
        half = len(tokens) / 2 - 0.5
        axes.axhline(half, color="white", linewidth=0.8)
        axes.axvline(half, color="white", linewidth=0.8)
        is_last_in_column = number + n_columns > len(weights)
        label_axes(axes, "Token attended to (key)" if is_last_in_column else "", "")
        axes.tick_params(length=0, labelsize=SMALL - 0.5, labelbottom=is_last_in_column)
        axes.spines[:].set_visible(False)
    for axes in panels[:, 0]:
        axes.set_ylabel("Attending token (query)", fontsize=TEXT)
    words = "Attention weight\n(mean of heads; rows sum to 1)"
    _add_colour_bar(figure, image, panels, words, shrink=0.6 if n_rows == 1 else 0.3, pad=0.015)
    add_title(figure, title)
    return figure


def agreement_matrix(agreement: pd.DataFrame, title: str) -> Figure:
    """Rank correlations between all methods, of their means over pairs and within pairs.

    Parameters
    ----------
    agreement : DataFrame
        As from `method_agreement`.
    title : str
        Title of the figure.
    """
    methods = list(dict.fromkeys(agreement["MethodA"]))
    panels_shown = {"OfMeans": "Means over pairs", "OfPairs": "Within a pair (median)"}
    figure = Figure(figsize=(PAGE, 1.6 + 0.32 * len(methods)), layout="compressed")
    panels = figure.subplots(1, 2, sharey=True)
    for axes, (column, name) in zip(panels, panels_shown.items(), strict=True):
        matrix = agreement.pivot_table(column, "MethodA", "MethodB", dropna=False).loc[methods, methods].to_numpy()
        image = axes.imshow(matrix, cmap="PuOr_r", vmin=-1, vmax=1)
        for (row, cell), value in np.ndenumerate(matrix):
            colour = "white" if abs(value) > 0.75 else "black"  # noqa: PLR2004
            words = f"{value:.2f}" if np.isfinite(value) else _NO_VALUE
            axes.text(cell, row, words, ha="center", va="center", fontsize=SMALL, color=colour)
        names = [METHODS[method].name for method in methods]
        axes.set_xticks(range(len(names)), names, rotation=40, ha="right", rotation_mode="anchor")
        axes.set_yticks(range(len(names)), names)
        remark = "" if np.isfinite(matrix).all() else f"\n{_NO_VALUE}: a method without values of single pairs"
        axes.set_title(f"{name}{remark}", fontsize=TEXT)
        label_axes(axes, "", "")
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
    _add_colour_bar(figure, image, panels, "Spearman's rank correlation", shrink=0.8, pad=0.02)
    add_title(figure, title)
    return figure


def faithfulness_figure(areas: pd.DataFrame, curves: pd.DataFrame, title: str) -> Figure:
    """Deletion and insertion curves of all methods beside random orders, and their areas.

    Parameters
    ----------
    areas, curves : DataFrame
        Of `Faithfulness`.
    title : str
        Title of the figure.
    """
    methods = [method for method in dict.fromkeys(curves["Method"]) if method != RANDOM]
    figure = Figure(figsize=(PAGE, 2.9 + 0.24 * len(methods)), layout="constrained")
    panels = figure.subplots(2, 2, height_ratios=[2.3, 0.55 + 0.24 * len(methods)], sharey="row")
    words = {"deletion": "Tokens taken away", "insertion": "Tokens put back"}
    for upper, lower, curve in zip(*panels, CURVES, strict=True):
        of_curve = curves[curves["Curve"] == curve]
        for number, method in enumerate([RANDOM, *methods]):
            points, style = of_curve[of_curve["Method"] == method], _style(method, number - 1)
            upper.plot(points["Tokens"], points["Probability"], **style, markersize=2.5, linewidth=1.1,
                       label=_shown(method))  # fmt: skip
            upper.fill_between(points["Tokens"], points["Low"].clip(0, 1), points["High"].clip(0, 1),
                               color=style["color"], alpha=0.12, linewidth=0)  # fmt: skip
        upper.set_title(curve.capitalize(), fontsize=TEXT)
        upper.set(ylim=(-0.03, 1.03), xlim=(0, of_curve["Tokens"].max()))
        upper.xaxis.set_major_locator(MaxNLocator(integer=True))
        label_axes(upper, f"{words[curve]} (most important first)", "Mean probability" if curve == "deletion" else "")
        _draw_areas(lower, areas[(areas["Curve"] == curve) & (areas["Method"] != RANDOM)])
        better = "lower" if CURVES[curve] < 0 else "higher"
        label_axes(lower, f"Area − that of random orders ({better} is better)", "")
        lower.locator_params(axis="x", nbins=5)
        lower.tick_params(axis="y", length=0)
    _key(figure, panels[0, 0], min(3, len(methods) + 1))
    add_title(figure, title)
    return figure


def randomised_weights_figure(table: pd.DataFrame, title: str) -> Figure:
    """How far each method's explanation moves away as the weights are randomised.

    Parameters
    ----------
    table : DataFrame
        As from `randomised_weights`.
    title : str
        Title of the figure.
    """
    figure = Figure(figsize=(COLUMN, 2.9), layout="constrained")
    axes = figure.subplots()
    modules = table.drop_duplicates("Stage")["Module"].tolist()
    n_methods = table["Method"].nunique()
    for number, (method, rows) in enumerate(table.groupby("Method", sort=False)):
        apart = 0.06 * (number - (n_methods - 1) / 2)  # so that intervals don't hide each other
        x = np.r_[0, rows["Stage"]] + apart
        style = _style(str(method), number)
        axes.plot(x, np.r_[1, rows["Correlation"]], **style, markersize=3.5, linewidth=1.1, label=_shown(str(method)))
        axes.vlines(x[1:], rows["Low"], rows["High"], color=style["color"], linewidth=0.8)
    axes.axhline(0, color=GREY, linestyle="--", linewidth=0.8)
    axes.set_xticks(range(len(modules) + 1), ["trained", *(f"+ {name}" for name in modules)], rotation=30, ha="right",
                    rotation_mode="anchor")  # fmt: skip
    axes.set_ylim(min(-0.1, table["Low"].min() - 0.05), 1.05)
    label_axes(axes, "Weights initialised anew", "Rank correlation with the\ntrained model's explanation")
    _key(figure, axes, 2)
    add_title(figure, title)
    return figure


NOTHING_PLANTED: Final = "no interacting pair with a planted site\nis recognised by the model"


def planted_truth_figure(table: pd.DataFrame, title: str) -> Figure:
    """How often the top tokens hold a planted site, per method, against chance.

    Parameters
    ----------
    table : DataFrame
        As from `planted_truth`; where it is empty, the figure has a remark only.
    title : str
        Title of the figure.
    """
    if table.empty:
        return note_figure(NOTHING_PLANTED, title)
    methods = list(dict.fromkeys(table["Method"]))
    figure = Figure(figsize=(PAGE, 1.15 + 0.28 * len(methods)), layout="constrained")
    panels = figure.subplots(1, table["Top"].nunique(), sharey=True, squeeze=False)[0]
    for axes, (top, rows) in zip(panels, table.groupby("Top"), strict=True):
        places = np.arange(len(rows))
        axes.hlines(places, 100 * rows["Low"], 100 * rows["High"], color=COLOURS[0], linewidth=1.6)
        axes.plot(100 * rows["Rate"], places, "o", color=COLOURS[0], markersize=4)
        axes.vlines(100 * rows["Chance"], places - 0.35, places + 0.35, color=COLOURS[1], linewidth=1.6)
        axes.set_yticks(places, [_shown(method) for method in rows["Method"]])
        axes.set(xlim=(0, 103), ylim=(len(rows) - 0.5, -0.65))
        axes.grid(axis="x", color="#dddddd", linewidth=0.6)
        axes.set_axisbelow(True)
        for place, rate in zip(places, 100 * rows["Rate"], strict=True):
            axes.annotate(f"{rate:.0f}", (rate, place), (0, 4), textcoords="offset points", ha="center",
                          fontsize=SMALL)  # fmt: skip
        words = "top token" if top == 1 else f"top {top} tokens"
        label_axes(axes, f"Pairs with a planted site in the {words} (%)", "")
        axes.tick_params(axis="y", length=0)
    dot = panels[0].plot([], [], "o-", color=COLOURS[0], markersize=4, label="method, 95 % interval")
    line = panels[0].plot([], [], "|", color=COLOURS[1], markersize=8, markeredgewidth=1.6, label="chance")
    figure.legend(handles=[*dot, *line], fontsize=SMALL, frameon=False, loc="outside lower center", ncols=2)
    add_title(figure, title)
    return figure


def note_figure(text: str, title: str) -> Figure:
    """A remark in place of a figure."""
    figure = Figure(figsize=(COLUMN, 1.2), layout="constrained")
    axes = figure.subplots()
    axes.set_axis_off()
    axes.text(0.5, 0.5, text, ha="center", va="center", fontsize=TEXT)
    add_title(figure, title)
    return figure


def _add_colour_bar(figure: Figure, image: Any, panels: Any, label: str, *, shrink: float, pad: float) -> None:
    bar = figure.colorbar(image, ax=panels, aspect=25, shrink=shrink, pad=pad)
    bar.set_label(label, fontsize=TEXT)
    bar.ax.tick_params(labelsize=SMALL)
    bar.outline.set_visible(False)  # type: ignore[operator]


def _draw_areas(axes: Axes, areas: pd.DataFrame) -> None:
    for place, (_, row) in enumerate(areas.iterrows()):
        style = _style(str(row["Method"]), place)
        axes.plot([row["DifferenceLow"], row["DifferenceHigh"]], [place] * 2, color=style["color"], linewidth=1.6)
        axes.plot(row["Difference"], place, marker=style["marker"], color=style["color"], markersize=4)
    axes.axvline(0, color=GREY, linestyle="--", linewidth=0.8)
    axes.set_yticks(range(len(areas)), [_shown(method) for method in areas["Method"]])
    axes.set_ylim(len(areas) - 0.5, -0.5)


def _style(method: str, number: int) -> dict[str, Any]:
    if method == RANDOM:
        return {"color": GREY, "marker": "", "linestyle": "--"}
    colour, marker = _LOOKS[number % len(_LOOKS)]
    return {"color": colour, "marker": marker, "linestyle": "-"}


def _shown(method: str) -> str:
    return "random orders" if method == RANDOM else METHODS[method].name


def _key(figure: Figure, axes: Axes, columns: int) -> None:
    figure.legend(*axes.get_legend_handles_labels(), fontsize=SMALL, frameon=False, loc="outside lower center",
                  ncols=columns)  # fmt: skip


def add_title(figure: Figure, title: str) -> None:
    """Write the title above a figure, wrapped to its width."""
    letters = int(17 * figure.get_size_inches()[0])  # that fit at this font size
    lines = [wrapped for line in title.splitlines() for wrapped in wrap(line, letters)]
    figure.suptitle("\n".join(lines), fontsize=TEXT)
