"""Figures of a screen (Matplotlib): distributions of scores, how known pairs are found, and the network."""

from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, PercentFormatter

from esm2_amp.figures.axes import label_axes
from esm2_amp.figures.palette import ACCENT, COLOURS, GREY, MAIN
from esm2_amp.screening.known import CHANCE, DEGREE, SCREEN

if TYPE_CHECKING:
    import networkx as nx

_SHOWN_QUERIES: Final = 6
_SHOWN_EDGES: Final = 60
_BARS: Final = 120
_STYLE: Final[dict[str, dict[str, Any]]] = {
    SCREEN: {"color": MAIN, "linewidth": 1.5},
    DEGREE: {"color": ACCENT, "linewidth": 1.2},
    CHANCE: {"color": GREY, "linestyle": "--", "linewidth": 1},
}


def distribution_figure(distributions: pd.DataFrame) -> Figure:
    """Densities of the logits, of all pairs and of the first queries.

    Parameters
    ----------
    distributions : DataFrame
        Of `candidates.score_distributions`.
    """
    figure = Figure(figsize=(5.6, 3.4), layout="constrained", dpi=200)
    axes = figure.subplots()
    inner = distributions[np.isfinite(distributions["LogitFrom"]) & np.isfinite(distributions["LogitTo"])]
    bars = np.linspace(inner["LogitFrom"].min(), inner["LogitTo"].max(), _BARS + 1)
    for number, (name, part) in enumerate(inner.groupby("Protein", sort=False)):
        if number > _SHOWN_QUERIES:
            break
        upto = part["Pairs"].cumsum().to_numpy()
        ends = part[["LogitFrom", "LogitTo"]].to_numpy().ravel()
        counts = np.diff(np.interp(bars, ends, np.stack([upto - part["Pairs"], upto], axis=1).ravel()))
        density = counts / (upto[-1] * np.diff(bars))
        colour = GREY if name == "all" else COLOURS[(number - 1) % len(COLOURS)]
        axes.stairs(density, bars, color=colour, fill=name == "all", alpha=0.35 if name == "all" else 1, label=name)
    label_axes(axes, "logit", "density of pairs")
    axes.legend(fontsize=7, frameon=False)
    return figure


def known_figure(curves: pd.DataFrame) -> Figure:
    """Recall of known pairs among the best pairs, by the screen, by node degree alone and by chance.

    Parameters
    ----------
    curves : DataFrame
        Of `known.KnownPairs`.
    """
    figure = Figure(figsize=(4.6, 3.4), layout="constrained", dpi=200)
    axes = figure.subplots()
    for name, part in curves.groupby("Ranking", sort=False):
        style = _STYLE[str(name)]
        axes.plot(part["Share"], part["Recall"], label=name, **style)
        if name != CHANCE:
            axes.fill_between(part["Share"], part["RecallLow"], part["RecallHigh"], color=style["color"], alpha=0.15)
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(
        FuncFormatter(lambda share, _: f"{np.format_float_positional(100 * share, 3, fractional=False, trim='-')} %")
    )
    axes.yaxis.set_major_formatter(PercentFormatter(1, symbol=" %"))
    label_axes(axes, "best pairs, share of all", "known pairs among them")
    axes.legend(fontsize=7, frameon=False, title="pairs ranked by", title_fontsize=7)
    return figure


def network_figure(network: "nx.Graph[str]", *, seed: int) -> Figure:
    """The strongest edges of a network.

    Parameters
    ----------
    network : Graph
        Of `network.candidate_network`: its edges have a `probability`, and are `known` or not.
    seed : int
        Of the layout.
    """
    import networkx as nx  # slow to import

    strongest = sorted(network.edges(data=True), key=lambda edge: -edge[2]["Probability"])[:_SHOWN_EDGES]
    shown: nx.Graph[str] = nx.Graph()
    shown.add_edges_from(strongest)
    place = nx.spring_layout(shown, seed=seed, k=1.2 / np.sqrt(len(shown)))
    figure = Figure(figsize=(6.4, 6.4), layout="constrained", dpi=200)
    axes = figure.subplots()
    colours = [ACCENT if known else GREY for _, _, known in shown.edges(data="Known", default=False)]
    nx.draw_networkx_edges(shown, place, ax=axes, edge_color=colours, width=0.8)
    nx.draw_networkx_nodes(shown, place, ax=axes, node_size=30, node_color=MAIN, linewidths=0)
    nx.draw_networkx_labels(shown, place, ax=axes, font_size=6, verticalalignment="bottom")
    axes.set_title(
        f"The {len(strongest)} strongest of {network.number_of_edges():,} edges; known pairs in the other colour",
        fontsize=8,
    )
    axes.set_axis_off()
    return figure
