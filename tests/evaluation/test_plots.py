"""Interactive plots: what they show, read back from their JSON."""

import json

import numpy as np
import pytest

from esm2_amp.evaluation import plots
from esm2_amp.figures.palette import ONE_CLASS

LABEL = np.array([1, 1, 1, 0, 0, 0, 0, 0])
PROBABILITY = np.array([0.95, 0.85, 0.25, 0.75, 0.35, 0.15, 0.12, 0.05])
PLOTS = [plots.roc_plot, plots.precision_recall_plot, plots.confusion_plot, plots.calibration_plot]


def shown(figure):
    return json.loads(figure.to_json())


@pytest.mark.parametrize(
    ("plot", "x", "y"),
    [
        (plots.roc_plot, "False positive rate", "True positive rate (recall)"),
        (plots.precision_recall_plot, "Recall", "Precision"),
        (plots.confusion_plot, "Decision at probability ≥ 0.5", "Label"),
    ],
)
def test_axes_and_title_are_named(plot, x, y):
    layout = shown(plot(LABEL, PROBABILITY, "ESM2_AMPS, test split"))["layout"]
    assert layout["title"]["text"] == "ESM2_AMPS, test split"
    assert (layout["xaxis"]["title"]["text"], layout["yaxis"]["title"]["text"]) == (x, y)


def test_roc_shows_area_and_the_diagonal():
    curve, diagonal = plots.roc_plot(LABEL, PROBABILITY, "").data
    assert curve.name == "AUROC 0.867"  # 13 of the 15 positive-negative pairs are in order
    assert (list(diagonal.x), list(diagonal.y)) == ([0, 1], [0, 1])


def test_precision_recall_shows_area_and_prevalence():
    curve, prevalence = plots.precision_recall_plot(LABEL, PROBABILITY, "").data
    assert curve.name == "AUPR 0.867"  # (1/1 + 2/2 + 3/5) / 3
    assert prevalence.name == "prevalence 0.375"
    assert list(prevalence.y) == [0.375, 0.375]


def test_confusion_shows_counts_and_percent_of_the_label_at_the_threshold():
    (cells,) = plots.confusion_plot(LABEL, PROBABILITY, "").data
    assert np.array(cells.text).tolist() == [["4<br>80.0 %", "1<br>20.0 %"], ["1<br>33.3 %", "2<br>66.7 %"]]
    (cells,) = plots.confusion_plot(LABEL, PROBABILITY, "", threshold=0.9).data
    assert np.array(cells.text)[0].tolist() == ["5<br>100.0 %", "0<br>0.0 %"]


def test_calibration_shows_filled_bins_and_all_counts():
    model, diagonal, counts = plots.calibration_plot(LABEL, PROBABILITY, "").data
    np.testing.assert_allclose(model.x, [0.05, 0.135, 0.25, 0.35, 0.75, 0.85, 0.95])
    np.testing.assert_allclose(model.y, [0, 0, 1, 0, 0, 1, 1])
    assert list(counts.y) == [1, 2, 1, 1, 0, 0, 0, 1, 1, 1]
    assert diagonal.name == "calibrated"


@pytest.mark.parametrize("plot", PLOTS)
def test_one_class_is_drawn_or_said_to_be_undefined(plot):
    layout = shown(plot(np.ones(8), PROBABILITY, ""))["layout"]
    said = any(note["text"] == ONE_CLASS for note in layout.get("annotations", []))
    assert said == (plot in PLOTS[:2])
