"""Interactive plots (Plotly): curves of one model for Kedro-Viz, and of several over one another for the report."""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from esm2_amp.figures.palette import ACCENT, COLOURS, DECISIONS, GREY, MAIN, ONE_CLASS
from esm2_amp.statistics.curves import Confusion, Curve, PairCurves, wilson_interval

_DASHES: Final = ("solid", "dash", "dot", "dashdot")
_NO_INFORMATION: Final = {"color": GREY, "dash": "dash", "width": 1.5}
_UNIT: Final = [-0.01, 1.01]
_DIGITS: Final = 4
"""Of a point of a curve: finer than a pixel."""

_KINDS: Final = {"model": (MAIN, "circle"), "baseline": (ACCENT, "diamond")}


def model_plots(curves: PairCurves, cells: Confusion, title: str) -> dict[str, go.Figure]:
    """The plots of one model by name, as Kedro-Viz previews them.

    Parameters
    ----------
    curves : PairCurves
        The model's curves.
    cells : Confusion
        The model's decisions.
    title : str
        Title of every plot, with the model and the split.
    """
    plots = {
        "roc": roc_plot({"AUROC": curves.roc}),
        "precision_recall": precision_recall_plot({"AUPR": curves.precision_recall}, curves.prevalence),
        "confusion": confusion_plot(cells),
        "calibration": calibration_plot({"model": curves.reliability}),
    }
    for plot in plots.values():
        plot.update_layout(title=title, template="simple_white", width=620, height=560, margin={"t": 90})
        plot.update_layout(paper_bgcolor="white", plot_bgcolor="white")
    return plots


def roc_plot(curves: Mapping[str, Curve | None]) -> go.Figure:
    """Receiver operating characteristics by name, with the diagonal of random scores."""
    return _curve_plot(curves, ("False positive rate", "True positive rate (recall)"), (0, 1, "random"))


def precision_recall_plot(curves: Mapping[str, Curve | None], prevalence: float) -> go.Figure:
    """Precision against recall by name, with the line of random scores: the share of interacting pairs."""
    level = (prevalence, prevalence, f"random {prevalence:.3f}")
    return _curve_plot(curves, ("Recall", "Precision"), level, shape="vh")


def calibration_plot(bins: Mapping[str, pd.DataFrame]) -> go.Figure:
    """Fraction of interacting pairs against predicted probability, with 95 % intervals, above the counts of pairs.

    Parameters
    ----------
    bins : mapping of name to DataFrame
        As from `esm2_amp.statistics.curves.reliability`.
    """
    figure = go.Figure()
    for number, (name, of_model) in enumerate(bins.items()):
        filled = of_model[of_model["Pairs"] > 0]
        low, high = wilson_interval(filled["Fraction"] * filled["Pairs"], filled["Pairs"])
        filled, look = filled.round(_DIGITS), _look(number)
        figure.add_scatter(
            x=filled["Probability"], y=filled["Fraction"], mode="lines+markers", name=name, line=look, legendgroup=name,
            error_y={"type": "data", "symmetric": False, "array": (high - filled["Fraction"]).clip(0).round(_DIGITS),
                     "arrayminus": (filled["Fraction"] - low).clip(0).round(_DIGITS), "thickness": 1, "width": 2},
            customdata=np.column_stack([filled["Pairs"], low.round(3), high.round(3)]),
            hovertemplate=f"{name}<br>%{{customdata[0]:,}} pairs of mean probability %{{x:.3f}}"
            "<br>fraction interacting %{y:.3f} (%{customdata[1]:.3f} to %{customdata[2]:.3f})<extra></extra>",
        )  # fmt: skip
        figure.add_scatter(
            x=(of_model["Start"] + of_model["End"]) / 2, y=of_model["Pairs"], mode="lines", yaxis="y2", name=name,
            line=look | {"shape": "hvh", "width": 1.5}, legendgroup=name, showlegend=False,
            hovertemplate=f"{name}<br>%{{y:,}} pairs<extra></extra>",
        )  # fmt: skip
    figure.add_scatter(x=[0, 1], y=[0, 1], mode="lines", name="calibrated", line=_NO_INFORMATION, hoverinfo="skip")
    _lay_out(figure, "Predicted probability", "Fraction of interacting pairs", _UNIT)
    figure.update_layout(yaxis2={"title": {"text": "Pairs"}, "domain": [0, 0.2], "rangemode": "tozero", "nticks": 4})
    figure.update_layout(yaxis_domain=[0.28, 1])
    return figure.update_xaxes(anchor="y2")


def confusion_plot(cells: Confusion) -> go.Figure:
    """Counts of label against decision, coloured by their share of the label's pairs."""
    figure = go.Figure()
    figure.add_heatmap(
        x=DECISIONS, y=DECISIONS, z=np.nan_to_num(cells.percent), zmin=0, zmax=100, colorscale="Blues",
        colorbar={"title": "% of label"}, text=cells.texts("<br>"), texttemplate="%{text}", textfont={"size": 16},
        xgap=2, ygap=2,
    )  # fmt: skip
    _lay_out(figure, f"Decision at probability ≥ {cells.threshold:.3g}", "Label")
    return figure.update_yaxes(autorange="reversed")


def risk_coverage_plot(curves: pd.DataFrame) -> go.Figure:
    """Error of models among the pairs that one is surest of, against their share.

    Parameters
    ----------
    curves : DataFrame
        `Model`, `Coverage`, `Pairs`, `Error`, `ErrorLow`, `ErrorHigh` by one measure of sureness.
    """
    figure = go.Figure()
    for number, (name, of_model) in enumerate(curves.groupby("Model", sort=False)):
        figure.add_scatter(
            x=of_model["Coverage"], y=of_model["Error"].round(_DIGITS), mode="lines", name=name, line=_look(number),
            customdata=of_model[["Pairs", "ErrorLow", "ErrorHigh"]].round(_DIGITS),
            hovertemplate=f"{name}<br>%{{customdata[0]:,}} pairs, error %{{y:.3f}} "
            "(%{customdata[1]:.3f} to %{customdata[2]:.3f})<extra></extra>",
        )  # fmt: skip
    _lay_out(figure, "Share of the pairs, the surest first", "Error (1 − accuracy)")
    return figure.update_xaxes(range=[0, 1])


def interval_plot(table: pd.DataFrame, x: str, zero: float) -> go.Figure:
    """Values of models and baselines as dots with their 95 % intervals, the first row on top.

    Parameters
    ----------
    table : DataFrame
        `Model`, `Kind` ("model" or "baseline"), `Value`, `Low`, `High`.
    x : str
        What the values are, as the name of the axis.
    zero : float
        Value without information, drawn as a line.
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
    _lay_out(figure, x, None)
    order = {"categoryorder": "array", "categoryarray": table["Model"][::-1].tolist(), "automargin": True}
    return figure.update_yaxes(**order)


def _curve_plot(
    curves: Mapping[str, Curve | None],
    axes: tuple[str, str],
    no_information: tuple[float, float, str],
    shape: str = "linear",
) -> go.Figure:
    """Curves under their names and areas, or a remark where none is defined."""
    figure = go.Figure()
    hover = f"<br>{axes[0].lower()} %{{x:.3f}}<br>{axes[1].lower()} %{{y:.3f}}"
    for number, (name, curve) in enumerate(curves.items()):
        if curve is not None:
            figure.add_scatter(
                x=curve.x.round(_DIGITS), y=curve.y.round(_DIGITS), mode="lines", name=f"{name} {curve.area:.3f}",
                line=_look(number) | {"shape": shape}, hovertemplate=f"{name}{hover}<extra></extra>",
            )  # fmt: skip
    if not figure.data:
        figure.add_annotation(x=0.5, y=0.5, text=ONE_CLASS, showarrow=False, font={"color": ACCENT, "size": 15})
    start, end, words = no_information
    figure.add_scatter(x=[0, 1], y=[start, end], mode="lines", name=words, line=_NO_INFORMATION, hoverinfo="skip")
    _lay_out(figure, *axes, _UNIT)
    figure.update_xaxes(constrain="domain", dtick=0.2)
    return figure.update_yaxes(scaleanchor="x", constrain="domain", constraintoward="top", dtick=0.2)


def _look(number: int) -> dict[str, Any]:
    """Colour and dashes of a line; the palette's black would vanish on a dark page."""
    colours = COLOURS[:-1]
    return {"color": colours[number % len(colours)], "dash": _DASHES[number % len(_DASHES)], "width": 2}


def _lay_out(figure: go.Figure, x: str, y: str | None, limits: list[float] | None = None) -> go.Figure:
    """Name the axes and limit both; the background is transparent, so that plots fit a light and a dark page."""
    transparent = "rgba(0,0,0,0)"
    figure.update_layout(
        autosize=True,
        margin={"l": 60, "r": 15, "t": 15, "b": 50},
        paper_bgcolor=transparent,
        plot_bgcolor=transparent,
        font={"family": "system-ui, sans-serif", "size": 13},
        legend={"orientation": "h", "yanchor": "top", "y": -0.18, "x": 0, "font": {"size": 12}},
        xaxis={"title": {"text": x, "standoff": 5}},
        yaxis={"title": {"text": y}},
        hoverlabel={"align": "left"},
    )
    return figure.update_xaxes(range=limits).update_yaxes(range=limits)
