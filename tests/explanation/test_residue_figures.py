import numpy as np
import pandas as pd
import pytest
from matplotlib.text import Text

from esm2_amp.explanation.planted_residues import COLUMNS
from esm2_amp.explanation.residue_figures import planted_residues_figure, residue_deletion_figure

NAMES = {"gradients": "Integrated Gradients", "scan": "Changed sequence"}
SHARES = [0.0, 0.1, 0.4]


@pytest.fixture
def curves():
    rows = [
        (method, order, share, slope * share, slope * share - 0.1, slope * share + 0.1)
        for method in NAMES
        for order, slope in (("chosen", 5.0), ("random windows", 1.0))
        for share in SHARES
    ]
    return pd.DataFrame(rows, columns=["Method", "Order", "Share", "Fall", "Low", "High"])


@pytest.fixture
def planted():
    row = (80, 12, 0.6, 0.5, 0.7, 0.67, 0.08, 6, 0.9, 0.8, 0.95, 0.16, 0.0)
    return pd.DataFrame([(method, *row) for method in NAMES], columns=COLUMNS)


def texts_of(figure):
    figure.canvas.draw()
    return [text for text in figure.findobj(Text) if text.get_text().strip() and text.get_visible()]


def test_deletion_has_a_panel_of_each_method_with_both_orders(curves):
    figure = residue_deletion_figure(curves, NAMES, "title")
    assert [axes.get_title() for axes in figure.axes] == list(NAMES.values())
    for axes in figure.axes:
        chosen, at_random, _zero = axes.get_lines()
        np.testing.assert_allclose(chosen.get_xdata(), [0, 10, 40])
        np.testing.assert_allclose(chosen.get_ydata(), [0, 0.5, 2])
        np.testing.assert_allclose(at_random.get_ydata(), [0, 0.1, 0.4])
    assert {"chosen", "random windows", "Fall of the logit"} <= {text.get_text() for text in texts_of(figure)}


def test_planted_residues_stand_in_percent_beside_chance(planted):
    figure = planted_residues_figure(planted, NAMES, "title")
    share, at_motif = figure.axes
    assert share.get_xlabel() == "Motif among the top 12 residues (%)"
    assert at_motif.get_xlabel() == "Peaks up to 6 residues from the motif (%)"
    np.testing.assert_allclose(share.get_lines()[0].get_xdata(), [60, 60])
    np.testing.assert_allclose(at_motif.get_lines()[0].get_xdata(), [90, 90])
    assert [label.get_text() for label in share.get_yticklabels()] == list(NAMES.values())


def test_no_text_is_smaller_than_7_points(curves, planted):
    for figure in (residue_deletion_figure(curves, NAMES, "t"), planted_residues_figure(planted, NAMES, "t")):
        assert min(text.get_fontsize() for text in texts_of(figure)) >= 7
