import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text

from esm2_amp.explanation import figures
from esm2_amp.protein import pair_token_names

CSE = pair_token_names(slice(0, 12))
METHODS = ("attention", "attention_last_layer", "attention_rollout", "integrated_gradients", "forest_shap")


def agreement_of(methods):
    rows = [(a, b, 0.5, np.nan if "gini" in (a, b) else 0.3) for a in methods for b in methods]
    return figures.agreement_matrix(pd.DataFrame(rows, columns=["MethodA", "MethodB", "OfMeans", "OfPairs"]), "title")


def faithfulness_of(methods):
    rows = [(m, c, 0.4, 0.3, 0.5, -0.1, -0.2, 0.0, "") for m in (*methods, "random") for c in ("deletion", "insertion")]
    areas = pd.DataFrame(rows, columns=["Method", "Curve", "Area", "Low", "High", "Difference", "DifferenceLow",
                                        "DifferenceHigh", "Verdict"])  # fmt: skip
    points = [(*row[:2], token, token / 20, 0.0, 1.0) for row in rows for token in range(21)]
    curves = pd.DataFrame(points, columns=["Method", "Curve", "Tokens", "Probability", "Low", "High"])
    return figures.faithfulness_figure(areas, curves, "title")


def randomised_of(methods):
    rows = [(stage, f"layer {7 - stage}", m, 0.5, 0.4, 0.6) for stage in range(1, 8) for m in methods]
    table = pd.DataFrame(rows, columns=["Stage", "Module", "Method", "Correlation", "Low", "High"])
    return figures.randomised_weights_figure(table, "title")


def planted_of(methods):
    rows = [(m, top, 90, 0.9, 0.8, 0.95, 0.2) for m in methods for top in (1, 3)]
    table = pd.DataFrame(rows, columns=["Method", "Top", "Pairs", "Rate", "Low", "High", "Chance"])
    return figures.planted_truth_figure(table, "title")


def bars_of(tokens=CSE):
    table = pd.DataFrame({"Token": tokens, "Importance": np.linspace(1, 0, len(tokens))})
    return figures.token_bars(table, "title", "Attention received (share of all)", even=1 / len(tokens))


FIGURES = {
    "bars": bars_of(),
    "map of 2 layers": figures.attention_map(np.random.default_rng(0).random((2, 24, 24)), CSE, "title"),
    "map of 6 layers": figures.attention_map(np.random.default_rng(0).random((6, 24, 24)), CSE, "title"),
    "map of 1 layer": figures.attention_map(np.random.default_rng(0).random((1, 20, 20)), CSE[:20], "title"),
    "agreement": agreement_of((*METHODS, "network_shap", "network_gradients", "gini")),
    "faithfulness": faithfulness_of(METHODS),
    "randomised weights": randomised_of(METHODS[:4]),
    "planted truth": planted_of(METHODS),
}


@pytest.mark.parametrize("figure", FIGURES.values(), ids=FIGURES)
def test_figure_fits_a_page_and_all_text_is_inside_and_legible(figure: Figure):
    figure.draw_without_rendering()
    width, height = figure.get_size_inches()
    assert width in (figures.COLUMN, figures.PAGE, figures.PAGE / 2 + 0.3)
    assert height <= 10.5
    texts = [text for text in figure.findobj(Text) if text.get_visible() and text.get_text()]
    assert min(text.get_fontsize() for text in texts) >= 6.5
    drawn = figure.get_tightbbox()
    assert drawn.xmin >= -0.02
    assert drawn.ymin >= -0.02
    assert drawn.xmax <= width + 0.02
    assert drawn.ymax <= height + 0.02


def test_bars_stand_from_n_to_c_in_a_panel_of_their_protein():
    tokens = ["B_eos", "A_segment1", "B_segment3", "A_cls", "B_segment0", "A_eos", "A_segment0"]
    intervals = pd.DataFrame({"Low": 0.0, "High": np.arange(7.0)}, index=tokens)
    table = pd.DataFrame({"Token": tokens, "Importance": np.arange(7.0)})
    a, b = figures.token_bars(table, "title", "Importance", intervals=intervals).axes
    assert [label.get_text() for label in a.get_xticklabels()] == ["cls", "0", "1", "eos"]
    assert [label.get_text() for label in b.get_xticklabels()] == ["0", "3", "eos"]
    assert [bar.get_height() for bar in a.patches] == [3, 6, 1, 5]
    assert [bar.get_height() for bar in b.patches] == [4, 2, 0]
    (lines,) = a.collections
    assert [segment[:, 1].tolist() for segment in lines.get_segments()] == [[0, height] for height in (3, 6, 1, 5)]
    assert a.patches[0].get_facecolor() != b.patches[0].get_facecolor()
    assert a.get_ylim() == b.get_ylim()


def test_map_shows_each_layers_weights_with_the_tokens_on_both_axes():
    weights = np.random.default_rng(0).random((2, 24, 24))
    drawn = [axes for axes in figures.attention_map(weights, CSE, "title").axes if axes.images]
    for axes, of_layer in zip(drawn, weights, strict=True):
        np.testing.assert_array_equal(axes.images[0].get_array(), of_layer)
        assert axes.images[0].get_clim() == (0, weights.max())
    for labels in (drawn[0].get_xticklabels(), drawn[1].get_xticklabels(), drawn[0].get_yticklabels()):
        assert [label.get_text() for label in labels] == CSE


def test_method_without_values_of_pairs_has_cells_that_say_so():
    texts = [[text.get_text() for text in axes.texts] for axes in agreement_of(("attention", "gini")).axes[:2]]
    assert texts == [["0.50"] * 4, ["0.30", "n/a", "n/a", "n/a"]]
    assert "n/a: a method without values of single pairs" in agreement_of(("attention", "gini")).axes[1].get_title()
