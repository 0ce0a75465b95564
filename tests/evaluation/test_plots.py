"""Interactive plots: what they show, read back from their JSON."""

import json

import numpy as np
import pytest

from esm2_amp.evaluation import plots
from esm2_amp.figures.palette import ONE_CLASS
from esm2_amp.statistics.curves import confusion, pair_curves

LABEL = np.array([1, 1, 1, 0, 0, 0, 0, 0])
PROBABILITY = np.array([0.95, 0.85, 0.25, 0.75, 0.35, 0.15, 0.12, 0.05])


def drawn(label=LABEL, threshold=0.5):
    cells = confusion(label, PROBABILITY, threshold)
    return plots.model_plots(pair_curves(label, PROBABILITY), cells, "ESM2_AMPS, test split")


def layout_of(figure):
    return json.loads(figure.to_json())["layout"]


@pytest.mark.parametrize(
    ("name", "x", "y"),
    [
        ("roc", "False positive rate", "True positive rate (recall)"),
        ("precision_recall", "Recall", "Precision"),
        ("confusion", "Decision at probability ≥ 0.5", "Label"),
        ("calibration", "Predicted probability", "Fraction of interacting pairs"),
    ],
)
def test_axes_and_title_are_named(name, x, y):
    layout = layout_of(drawn()[name])
    assert layout["title"]["text"] == "ESM2_AMPS, test split"
    assert (layout["xaxis"]["title"]["text"], layout["yaxis"]["title"]["text"]) == (x, y)


def test_roc_shows_area_and_the_diagonal():
    curve, diagonal = drawn()["roc"].data
    assert curve.name == "AUROC 0.867"  # 13 of the 15 positive-negative pairs are in order
    assert (list(diagonal.x), list(diagonal.y)) == ([0, 1], [0, 1])


def test_precision_recall_shows_area_and_prevalence():
    curve, prevalence = drawn()["precision_recall"].data
    assert curve.name == "AUPR 0.867"  # (1/1 + 2/2 + 3/5) / 3
    assert prevalence.name == "random 0.375"
    assert list(prevalence.y) == [0.375, 0.375]


def test_confusion_shows_counts_and_percent_of_the_label_at_the_threshold():
    (cells,) = drawn()["confusion"].data
    assert np.array(cells.text).tolist() == [["4<br>80.0 %", "1<br>20.0 %"], ["1<br>33.3 %", "2<br>66.7 %"]]
    (cells,) = drawn(threshold=0.9)["confusion"].data
    assert np.array(cells.text)[0].tolist() == ["5<br>100.0 %", "0<br>0.0 %"]


def test_calibration_shows_filled_bins_and_all_counts():
    model, counts, diagonal = drawn()["calibration"].data
    np.testing.assert_allclose(model.x, [0.05, 0.135, 0.25, 0.35, 0.75, 0.85, 0.95])
    np.testing.assert_allclose(model.y, [0, 0, 1, 0, 0, 1, 1])
    assert list(counts.y) == [1, 2, 1, 1, 0, 0, 0, 1, 1, 1]
    assert diagonal.name == "calibrated"
    low, high = 1 / (1 + 1.959964**2), 1
    assert model.y[2] - model.error_y.arrayminus[2] == pytest.approx(low, abs=1e-3)  # 1 of 1 pair
    assert model.y[2] + model.error_y.array[2] == pytest.approx(high, abs=1e-3)


def test_calibration_of_several_models_has_counts_that_hide_with_their_curves():
    bins = pair_curves(LABEL, PROBABILITY).reliability
    traces = plots.calibration_plot({"one": bins, "other": bins}).data
    assert [trace.name for trace in traces] == ["one", "one", "other", "other", "calibrated"]
    assert [trace.legendgroup for trace in traces[:4]] == ["one", "one", "other", "other"]
    assert [list(trace.y) for trace in traces if trace.yaxis == "y2"] == [bins["Pairs"].tolist()] * 2


def test_roc_and_precision_recall_are_square():
    for name in ("roc", "precision_recall"):
        assert layout_of(drawn()[name])["yaxis"]["scaleanchor"] == "x"


@pytest.mark.parametrize("name", ["roc", "precision_recall", "confusion", "calibration"])
def test_one_class_is_drawn_or_said_to_be_undefined(name):
    annotations = layout_of(drawn(np.ones(8))[name]).get("annotations", [])
    assert any(note["text"] == ONE_CLASS for note in annotations) == (name in ("roc", "precision_recall"))
