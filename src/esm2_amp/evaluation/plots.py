"""Interactive plots of one model's scored pairs, as Kedro-Viz previews them (Plotly).

Each takes labels (0/1) and probabilities of the same B pairs, and a title that names the model and the split.
"""

import numpy as np
import plotly.graph_objects as go
from numpy.typing import ArrayLike
from plotly.subplots import make_subplots

from esm2_amp.figures.palette import ACCENT, DECISIONS, GREY, MAIN, ONE_CLASS
from esm2_amp.statistics.curves import confusion, precision_recall, reliability, roc

_UNIT = [-0.01, 1.01]
_DASHED = {"color": GREY, "dash": "dash", "width": 1.5}


def roc_plot(label: ArrayLike, probability: ArrayLike, title: str) -> go.Figure:
    """Receiver operating characteristic, with the diagonal of random scores."""
    figure = go.Figure()
    curve = roc(label, probability)
    if curve is None:
        _say_undefined(figure)
    else:
        figure.add_scatter(x=curve.x, y=curve.y, name=f"AUROC {curve.area:.3f}", line={"color": MAIN})
    figure.add_scatter(x=[0, 1], y=[0, 1], name="random 0.500", mode="lines", line=_DASHED)
    return _laid_out(figure, title, "False positive rate", "True positive rate (recall)")


def precision_recall_plot(label: ArrayLike, probability: ArrayLike, title: str) -> go.Figure:
    """Precision against recall, with the line of random scores: the share of interacting pairs."""
    figure = go.Figure()
    curve = precision_recall(label, probability)
    if curve is None:
        _say_undefined(figure)
    else:
        line = {"color": MAIN, "shape": "vh"}
        figure.add_scatter(x=curve.x, y=curve.y, name=f"AUPR {curve.area:.3f}", mode="lines", line=line)
    prevalence = float(np.mean(np.asarray(label, dtype=np.float64)))
    figure.add_scatter(x=[0, 1], y=[prevalence] * 2, name=f"prevalence {prevalence:.3f}", mode="lines", line=_DASHED)
    return _laid_out(figure, title, "Recall", "Precision")


def confusion_plot(label: ArrayLike, probability: ArrayLike, title: str, threshold: float = 0.5) -> go.Figure:
    """Counts of label against decision, coloured by their share of the label's pairs."""
    cells = confusion(label, probability, threshold)
    figure = go.Figure()
    figure.add_heatmap(
        x=DECISIONS, y=DECISIONS, z=np.nan_to_num(cells.percent), zmin=0, zmax=100, colorscale="Blues",
        colorbar={"title": "% of label"}, text=cells.texts("<br>"), texttemplate="%{text}", textfont={"size": 16},
        xgap=2, ygap=2,
    )  # fmt: skip
    _laid_out(figure, title, f"Decision at probability ≥ {threshold:.3g}", "Label")
    return figure.update_xaxes(range=None).update_yaxes(range=None, autorange="reversed")


def calibration_plot(label: ArrayLike, probability: ArrayLike, title: str) -> go.Figure:
    """Fraction of interacting pairs against predicted probability, above the counts of pairs."""
    bins = reliability(label, probability)
    figure = make_subplots(rows=2, shared_xaxes=True, row_heights=[0.75, 0.25], vertical_spacing=0.06)
    filled = bins[bins["Pairs"] > 0]
    figure.add_scatter(
        x=filled["Probability"], y=filled["Fraction"], name="model", mode="lines+markers", line={"color": MAIN},
        row=1, col=1,
    )  # fmt: skip
    figure.add_scatter(x=[0, 1], y=[0, 1], name="calibrated", mode="lines", line=_DASHED, row=1, col=1)
    middle, width = (bins["Start"] + bins["End"]) / 2, bins["End"] - bins["Start"]
    figure.add_bar(
        x=middle, y=bins["Pairs"], width=width, name="pairs", showlegend=False, marker={"color": MAIN, "opacity": 0.6},
        row=2, col=1,
    )  # fmt: skip
    _laid_out(figure, title, None, "Fraction of interacting pairs")
    figure.update_layout(legend={"x": 0.02, "y": 0.98, "xanchor": "left", "yanchor": "top"})
    figure.update_xaxes(title="Predicted probability", row=2)
    return figure.update_yaxes(title="Pairs", range=None, row=2)


def _say_undefined(figure: go.Figure) -> None:
    figure.add_annotation(
        x=0.5, y=0.5, text=ONE_CLASS, showarrow=False, font={"color": ACCENT, "size": 15}, bgcolor="white"
    )


def _laid_out(figure: go.Figure, title: str, x: str | None, y: str) -> go.Figure:
    figure.update_layout(
        title=title, template="simple_white", width=620, height=560, font={"size": 14},
        legend={"x": 0.98, "y": 0.03, "xanchor": "right", "yanchor": "bottom", "bgcolor": "rgba(0,0,0,0)"},
    )  # fmt: skip
    figure.update_xaxes(title=x, range=_UNIT)
    return figure.update_yaxes(title=y, range=_UNIT)
