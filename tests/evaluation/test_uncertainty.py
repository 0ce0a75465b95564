"""How sure scores are, on pairs whose labels and scores are drawn."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import brier_score_loss, roc_auc_score

from esm2_amp.evaluation.figures import risk_coverage_figure
from esm2_amp.evaluation.uncertainty import (
    ENSEMBLE,
    MEASURES,
    MEMBER_COLUMNS,
    SUREST_COLUMNS,
    measure_uncertainty,
    member_columns,
    sureness_of,
    uncertainty_lines,
)
from esm2_amp.models.scoring import PairScores
from esm2_amp.parameters.model_training import ARCHITECTURES
from esm2_amp.report.parts import Group, Missing, Table
from esm2_amp.report.uncertainty import uncertainty_chapter
from esm2_amp.statistics.metrics import sigmoid

PAIRS = 800


def scored_by(members: int, seed: int = 0) -> pd.DataFrame:
    """Scored pairs, validation first; each member has noise of its own, which the ensemble averages away."""
    generator = np.random.default_rng(seed)
    a, b = generator.integers(150, size=(2, PAIRS))
    label = generator.integers(0, 2, PAIRS)
    truth = generator.normal(1.5 * (label - 0.5), 1)
    logits = (truth[:, None] + generator.normal(0, 1.5, (PAIRS, members))).astype("f4")
    scores = PairScores(logits, logits.mean(axis=1))
    table = pd.DataFrame(
        {
            "Protein1": [f"P{number}" for number in a],
            "Protein2": [f"P{number}" for number in b],
            "Split": np.repeat(["validation", "test"], PAIRS // 2),
            "Label": label,
            "Logit": scores.logit,
            "Probability": sigmoid(scores.logit),
            "CalibratedProbability": sigmoid(scores.logit / 2),
            "Prediction": (scores.logit >= 0).astype(int),
            "Unlikeness": generator.uniform(0, 100, PAIRS),
        }
    )
    spread = {} if scores.spread is None else {"Spread": scores.spread}
    return table.assign(**spread, **member_columns(scores))


@pytest.fixture(scope="module")
def scored() -> dict[str, pd.DataFrame]:
    return {"ESM2_DPM": scored_by(5), "ESM2_MEAN": scored_by(1, seed=1)}


@pytest.fixture(scope="module")
def found(scored):
    return measure_uncertainty(scored, replicates=200, seed=0)


def test_surest_half_is_that_of_the_test_pairs(scored, found):
    assert tuple(found.surest) == SUREST_COLUMNS
    rows = found.surest.set_index(["Model", "Measure"])
    assert rows.index.tolist() == [
        *(("ESM2_DPM", measure) for measure in MEASURES), ("ESM2_MEAN", "probability"), ("ESM2_MEAN", "unlikeness"),
    ]  # fmt: skip
    for (model, measure), row in rows.iterrows():
        test = scored[model].query("Split == 'test'")
        sureness = {
            "probability": (test["CalibratedProbability"] - 0.5).abs(), "unlikeness": -test["Unlikeness"],
            "spread": -test.get("Spread", test["Logit"]),
        }  # fmt: skip
        half = test.loc[sureness[measure].sort_values(ascending=False).index[: PAIRS // 4]]
        assert row["Pairs"] == PAIRS // 4
        right, right_in_half = ((table["Prediction"] == table["Label"]).mean() for table in (test, half))
        assert (row["Accuracy"], row["SurestAccuracy"]) == (pytest.approx(right), pytest.approx(right_in_half))
        assert row["Gain"] == pytest.approx(right_in_half - right)
        assert row["GainLow"] < row["Gain"] < row["GainHigh"]
        assert row["SurestAccuracyLow"] < row["SurestAccuracy"] < row["SurestAccuracyHigh"]
        for name, table in (("Brier", test), ("SurestBrier", half)):
            assert row[name] == pytest.approx(brier_score_loss(table["Label"], table["CalibratedProbability"]))
    assert rows.loc[("ESM2_DPM", "probability"), "GainLow"] > 0
    assert rows.loc[("ESM2_DPM", "unlikeness"), "GainLow"] < 0 < rows.loc[("ESM2_DPM", "unlikeness"), "GainHigh"]


def test_ensemble_stands_beside_its_members(scored, found):
    assert tuple(found.members) == MEMBER_COLUMNS
    assert found.members["Model"].unique().tolist() == ["ESM2_DPM"]
    assert found.members["Member"].tolist() == [ENSEMBLE, "1", "2", "3", "4", "5"]
    test = scored["ESM2_DPM"].query("Split == 'test'")
    own = roc_auc_score(test["Label"], test["Logit"])
    for _, row in found.members.iterrows():
        logit = test["Logit" if row["Member"] == ENSEMBLE else f"LogitOfMember{row['Member']}"]
        assert row["AUROC"] == pytest.approx(roc_auc_score(test["Label"], logit))
        assert row["Low"] < row["AUROC"] < row["High"]
        if row["Member"] != ENSEMBLE:
            assert row["Difference"] == pytest.approx(own - row["AUROC"])
            assert row["DifferenceLow"] > 0 and row["Verdict"] == "better"


def test_model_without_temperature_is_sure_by_its_probability():
    pairs = scored_by(1).assign(CalibratedProbability=np.nan)
    np.testing.assert_allclose(sureness_of(pairs)["probability"], (pairs["Probability"] - 0.5).abs())


def test_log_fits_a_terminal(found):
    lines = list(uncertainty_lines(found.surest, found.members))
    assert max(map(len, lines)) <= 62
    ensemble, single = (line.split() for line in lines[2:4])
    shown = found.surest.loc[found.surest["Model"] == "ESM2_DPM", "SurestAccuracy"]
    assert ensemble[2:] == [f"{value:.3f}" for value in shown]
    assert (single[0], single[3]) == ("ESM2_MEAN", "–")
    assert lines[-1].strip() == "better than 5 of 5 members"


def test_figure_has_a_panel_for_each_measure(found):
    figure = risk_coverage_figure(found.curves, MEASURES, "drawn pairs")
    assert [axes.get_title() for axes in figure.axes] == [f"by {words}" for words in MEASURES.values()]
    assert [len(axes.lines) for axes in figure.axes] == [2, 1, 2]
    single = found.curves[found.curves["Model"] == "ESM2_MEAN"]
    assert len(risk_coverage_figure(single, MEASURES, "drawn pairs").axes) == 2


def test_chapter_shows_the_tables(found):
    chapter = uncertainty_chapter(*found)
    paragraph, table, plots, group = chapter.blocks
    best = found.surest.sort_values("SurestAccuracy").iloc[-1]
    assert f"{best['Model']} predicts {best['SurestAccuracy']:.1%} correctly" in paragraph.text
    assert isinstance(table, Table) and len(table.rows) == 5
    assert [cell.value for cell in (row[3] for row in table.rows)] == found.surest["SurestAccuracy"].tolist()
    assert len(plots.plots) == len(MEASURES)
    assert isinstance(group, Group) and len(group.blocks[0].rows) == 6


def test_chapter_leaves_out_ensembles_where_there_are_none(found):
    blocks = uncertainty_chapter(found.curves, found.surest, found.members[:0]).blocks
    assert not any(isinstance(block, Group) for block in blocks)


def test_chapter_of_an_older_evaluation_names_the_command():
    (block,) = uncertainty_chapter(None, None, None).blocks
    assert isinstance(block, Missing) and block.command == "kedro run --pipeline=evaluation"


@pytest.mark.parametrize("measures", [1, 2, 3])
def test_the_key_of_all_models_lies_within_the_figure(measures):
    shown = dict(list(MEASURES.items())[:measures])
    rows = [(model, measure, coverage) for model in ARCHITECTURES for measure in shown for coverage in (0.5, 1.0)]
    curves = pd.DataFrame(rows, columns=["Model", "Measure", "Coverage"])
    figure = risk_coverage_figure(curves.assign(Error=0.3, ErrorLow=0.2, ErrorHigh=0.4), shown, "drawn pairs")
    figure.canvas.draw()
    (key,) = figure.legends
    inside = key.get_window_extent()
    assert inside.x0 >= 0 and inside.x1 <= figure.bbox.x1 and inside.y0 >= 0
