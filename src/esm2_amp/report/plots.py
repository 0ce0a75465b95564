"""Interactive plots of all models over one another (Plotly)."""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from esm2_amp.figures.palette import ACCENT, COLOURS, GREY, MAIN
from esm2_amp.report.parts import Plot, plot_of
from esm2_amp.statistics.curves import Curve, precision_recall, reliability, roc

_DASHES: Final = ("solid", "dash", "dot", "dashdot")
_NO_INFORMATION: Final = {"color": GREY, "dash": "dash", "width": 1.5}
_DIGITS: Final = 4
"""Of a point of a curve: finer than a pixel."""

_KINDS: Final = {"model": (MAIN, "circle"), "baseline": (ACCENT, "diamond")}


def curve_plots(scored: Mapping[str, pd.DataFrame]) -> list[Plot]:
    """ROC, precision-recall and calibration of several models.

    Parameters
    ----------
    scored : mapping of name to DataFrame
        Columns `Label`, `Probability`; the same pairs for all. The order decides the colours.
    """
    label = next(iter(scored.values()))["Label"].to_numpy(np.float64)
    rocs = {name: roc(pairs["Label"], pairs["Probability"]) for name, pairs in scored.items()}
    precisions = {name: precision_recall(pairs["Label"], pairs["Probability"]) for name, pairs in scored.items()}
    prevalence = float(label.mean())
    return [
        _curve_plot("ROC", "AUROC", rocs, ("False positive rate", "True positive rate (recall)"), (0, 1, "random")),
        _curve_plot(
            "Precision and recall", "AUPR", precisions, ("Recall", "Precision"),
            (prevalence, prevalence, f"share of interacting pairs, {prevalence:.3f}"), shape="vh",
        ),
        _calibration_plot({name: reliability(pairs["Label"], pairs["Probability"]) for name, pairs in scored.items()}),
    ]  # fmt: skip


def interval_plot(table: pd.DataFrame, x: str, title: str, zero: float) -> Plot:
    """Values of models and baselines as dots with their 95 % intervals, the first row on top.

    Parameters
    ----------
    table : DataFrame
        `Model`, `Kind` ("model" or "baseline"), `Value`, `Low`, `High`.
    x : str
        What the values are.
    title : str
    zero : float
        What no information gives, drawn as a line.
    """
    figure = go.Figure()
    for kind, (colour, symbol) in _KINDS.items():
        rows = table[(table["Kind"] == kind) & table["Value"].notna()]
        if rows.empty:
            continue
        figure.add_scatter(
            x=rows["Value"].round(_DIGITS), y=rows["Model"], mode="markers", name=kind,
            marker={"color": colour, "symbol": symbol, "size": 9},
            error_x={"type": "data", "array": (rows["High"] - rows["Value"]).round(_DIGITS), "symmetric": False,
                     "arrayminus": (rows["Value"] - rows["Low"]).round(_DIGITS), "color": colour, "thickness": 2},
            customdata=rows[["Low", "High"]].round(3),
            hovertemplate="%{y}: %{x:.3f} (%{customdata[0]:.3f} to %{customdata[1]:.3f})<extra></extra>",
        )  # fmt: skip
    figure.add_vline(zero, line=_NO_INFORMATION)
    order = {"categoryorder": "array", "categoryarray": table["Model"][::-1].tolist(), "automargin": True}
    figure.update_layout(**_layout(x, None))
    figure.update_yaxes(**order)
    values = ", ".join(f"{row.Model} {row.Value:.3f} ({row.Low:.3f} to {row.High:.3f})" for row in table.itertuples())
    return plot_of(figure, title, f"{x}: {values}", height=150 + 34 * len(table))


def _curve_plot(
    title: str,
    area: str,
    curves: Mapping[str, Curve | None],
    axes: tuple[str, str],
    no_information: tuple[float, float, str],
    shape: str = "linear",
) -> Plot:
    figure = go.Figure()
    hover = f"<br>{axes[0].lower()} %{{x:.3f}}<br>{axes[1].lower()} %{{y:.3f}}"
    for number, (name, curve) in enumerate(curves.items()):
        if curve is not None:
            figure.add_scatter(
                x=curve.x.round(_DIGITS), y=curve.y.round(_DIGITS), mode="lines", name=f"{name} {curve.area:.3f}",
                line=_look(number) | {"shape": shape}, hovertemplate=f"{name}{hover}<extra></extra>",
            )  # fmt: skip
    start, end, words = no_information
    figure.add_scatter(x=[0, 1], y=[start, end], mode="lines", name=words, line=_NO_INFORMATION, hoverinfo="skip")
    figure.update_layout(**_layout(*axes))
    figure.update_xaxes(range=[-0.01, 1.01]).update_yaxes(range=[-0.01, 1.01])
    areas = [f"{name} {'undefined' if curve is None else f'{curve.area:.3f}'}" for name, curve in curves.items()]
    return plot_of(figure, title, f"{title} curves; {area}: {', '.join(areas)}")


def _calibration_plot(bins: Mapping[str, pd.DataFrame]) -> Plot:
    figure = go.Figure()
    for number, (name, of_model) in enumerate(bins.items()):
        filled = of_model[of_model["Pairs"] > 0].round(_DIGITS)
        figure.add_scatter(
            x=filled["Probability"], y=filled["Fraction"], mode="lines+markers", name=name, line=_look(number),
            customdata=filled["Pairs"],
            hovertemplate=f"{name}<br>%{{customdata:,}} pairs of mean probability %{{x:.3f}}"
            "<br>fraction interacting %{y:.3f}<extra></extra>",
        )  # fmt: skip
    figure.add_scatter(x=[0, 1], y=[0, 1], mode="lines", name="calibrated", line=_NO_INFORMATION, hoverinfo="skip")
    figure.update_layout(**_layout("Predicted probability", "Fraction of interacting pairs"))
    figure.update_xaxes(range=[-0.01, 1.01]).update_yaxes(range=[-0.01, 1.01])
    words = "fraction of interacting pairs against predicted probability, in bins of 0.1"
    return plot_of(figure, "Calibration", f"Calibration of {', '.join(bins)}: {words}; the diagonal is calibrated")


def _look(number: int) -> dict[str, Any]:
    """Colour and dashes of a line; the palette's black would vanish on a dark page."""
    colours = COLOURS[:-1]
    return {"color": colours[number % len(colours)], "dash": _DASHES[number % len(_DASHES)], "width": 2}


def _layout(x: str, y: str | None) -> dict[str, Any]:
    transparent = "rgba(0,0,0,0)"
    return {
        "autosize": True,
        "margin": {"l": 60, "r": 15, "t": 40, "b": 50},
        "paper_bgcolor": transparent,
        "plot_bgcolor": transparent,
        "font": {"family": "system-ui, sans-serif", "size": 13},
        "legend": {"orientation": "h", "yanchor": "bottom", "y": 1.02, "x": 0},
        "xaxis": {"title": {"text": x}},
        "yaxis": {"title": {"text": y}},
        "hoverlabel": {"align": "left"},
    }
