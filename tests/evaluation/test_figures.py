"""Printed figures: what they draw, read back from their axes."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgba

from esm2_amp.evaluation.figures import (
    comparison_curves,
    comparison_figure,
    differences_figure,
    strata_figure,
    summary_figure,
)
from esm2_amp.statistics.curves import confusion, pair_curves

LABEL = np.array([1, 1, 1, 0, 0, 0, 0, 0])
PROBABILITY = np.array([0.95, 0.85, 0.25, 0.75, 0.35, 0.15, 0.12, 0.05])


def summary(label, title):
    return summary_figure(pair_curves(label, PROBABILITY), confusion(label, PROBABILITY), title)


def texts(axes):
    return [text.get_text() for text in axes.texts]


def legend(parent):
    found = parent.get_legend() if hasattr(parent, "get_legend") else parent.legends[0]
    return [text.get_text() for text in found.get_texts()]


@pytest.fixture
def table():
    return pd.DataFrame(
        {
            "Model": ["ESM2_AMPS", "Composition"],
            "Kind": ["model", "baseline"],
            "Pairs": 10,
            "Positives": 4,
            "Accuracy": [0.75, 0.6],
            "MCC": [0.5, np.nan],
            "AUROC": [0.8, 0.6],
            "AUPR": [0.7, 0.5],
            **{f"{metric}{end}": np.nan for metric in ("Accuracy", "MCC", "AUPR") for end in ("Low", "High")},
            "AUROCLow": [0.78, 0.55],
            "AUROCHigh": [0.83, 0.64],
        }
    )


def test_summary_draws_four_views_of_the_same_pairs():
    figure = summary(LABEL, "ESM2_AMPS, test split")
    roc, precision_recall, confusion, calibration, counts = figure.axes
    assert figure.get_suptitle() == "ESM2_AMPS, test split (8 pairs)"
    assert legend(roc) == ["AUROC 0.867", "random"]
    assert legend(precision_recall) == ["AUPR 0.867", "prevalence 0.375"]
    assert texts(confusion) == ["4\n80.0 %", "1\n20.0 %", "1\n33.3 %", "2\n66.7 %"]
    assert [(a.get_xlabel(), a.get_ylabel()) for a in figure.axes] == [
        ("False positive rate", "True positive rate (recall)"),
        ("Recall", "Precision"),
        ("Decision at probability ≥ 0.5", "Label (percent of row)"),
        ("", "Fraction interacting"),
        ("Predicted probability", "Pairs"),
    ]
    np.testing.assert_allclose(calibration.lines[0].get_ydata(), [0, 0, 1, 0, 0, 1, 1])
    assert [bar.get_height() for bar in counts.patches] == [1, 2, 1, 1, 0, 0, 0, 1, 1, 1]


def test_summary_says_where_one_class_leaves_a_curve_undefined():
    figure = summary(np.zeros(8), "test split")
    assert all("undefined" in texts(axes)[0] for axes in figure.axes[:2])
    figure.draw_without_rendering()


def test_comparison_draws_a_dot_for_every_value_and_the_level_without_information(table):
    figure = comparison_figure(table, "test split")
    accuracy, mcc, auroc, aupr = figure.axes
    assert [axes.get_xlabel() for axes in figure.axes] == ["Accuracy", "MCC", "AUROC", "AUPR"]
    assert [label.get_text() for label in accuracy.get_yticklabels()] == ["ESM2_AMPS", "Composition"]
    model, baseline, _ = auroc.lines
    assert [(line.get_xdata()[0], line.get_ydata()[0]) for line in (model, baseline)] == [(0.8, 0), (0.6, 1)]
    assert model.get_marker() != baseline.get_marker()
    assert texts(mcc) == ["0.500"]
    assert [axes.lines[2].get_xdata()[0] for axes in figure.axes] == [0.6, 0, 0.5, 0.4]
    assert aupr.get_ylim()[0] > aupr.get_ylim()[1]  # the first row, the best model, on top


def test_comparison_draws_intervals_in_the_colour_of_their_dots(table):
    figure = comparison_figure(table, "")
    (intervals,) = figure.axes[2].collections
    np.testing.assert_allclose(intervals.get_segments(), [[[0.78, 0], [0.83, 0]], [[0.55, 1], [0.64, 1]]])
    dots = [to_rgba(line.get_color()) for line in figure.axes[2].lines[:2]]
    np.testing.assert_allclose(intervals.get_colors(), dots)
    assert legend(figure) == ["model", "baseline", "without information"]
    assert "95 % intervals" in figure.legends[0].get_title().get_text()


def test_comparison_leaves_the_level_out_where_models_saw_different_pairs(table):
    figure = comparison_figure(table.assign(Positives=[4, 5]), "")
    assert all(len(axes.lines) == 2 for axes in figure.axes)


def test_differences_bear_the_words_of_their_verdicts():
    table = pd.DataFrame(
        {
            "Model": ["ESM2_AMPS", "ESM2_GRU"],
            "Difference": [0.3, -0.01],
            "Low": [0.2, -0.05],
            "High": [0.4, 0.03],
            "Verdict": ["better", "not distinguishable"],
        }
    )
    (axes,) = differences_figure(table, "composition (baseline)", "test split").axes
    assert texts(axes) == ["+0.300", "-0.010", "better", "not distinguishable"]
    assert axes.get_xlabel() == "AUROC minus that of composition (baseline), 95 % interval"
    np.testing.assert_allclose(axes.collections[0].get_segments(), [[[0.2, 0], [0.4, 0]], [[-0.05, 1], [0.03, 1]]])


def test_strata_have_a_panel_each_where_they_have_pairs():
    rows = [("C1", 0, np.nan), ("C2", 12, np.nan), ("C3", 50, 0.7)]
    table = pd.DataFrame(rows, columns=["Stratum", "Pairs", "Value"]).assign(
        Positives=lambda table: table["Pairs"] // 2, Model="ESM2_AMPS", Kind="model", Metric="AUROC", Low=0.6, High=0.8
    )
    figure = strata_figure(table, "test split")
    few, measured = figure.axes
    assert few.get_title() == "C2: 12 pairs\none protein in training"
    assert texts(few) == ["too few to measure,\nor of one class"]
    assert measured.get_title() == "C3: 50 pairs\nno protein in training"
    assert texts(measured) == ["0.700"]
    figure.draw_without_rendering()


def test_curves_of_all_models_are_named_with_their_areas():
    scored = {
        "ESM2_AMPS": pd.DataFrame({"Label": LABEL, "Probability": PROBABILITY}),
        "reversed": pd.DataFrame({"Label": LABEL, "Probability": 1 - PROBABILITY}),
    }
    figure = comparison_curves(scored, "test split")
    roc, precision_recall = figure.axes
    # Reversed, the positives stand at ranks 4, 7 and 8: AUPR (1/4 + 2/7 + 3/8) / 3.
    assert legend(figure) == ["ESM2_AMPS: 0.867, 0.867", "reversed: 0.133, 0.304", "random"]
    assert len(roc.lines) == len(precision_recall.lines) == 3
    assert roc.lines[0].get_color() == precision_recall.lines[0].get_color() != roc.lines[1].get_color()
