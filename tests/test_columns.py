"""Names of columns."""

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from esm2_amp.columns import column_name, with_column_names
from esm2_amp.evaluation.baselines import BASELINES
from esm2_amp.statistics.weighted import METRIC_COLUMNS, METRICS
from output_tables import is_in_style

MEASURES = st.lists(st.from_regex("[a-z]{2,8}[0-9]?", fullmatch=True), min_size=1, max_size=4).map("_".join)


@pytest.mark.parametrize(
    ("measure", "column"),
    [
        ("auroc", "AUROC"),
        ("training_mcc", "TrainingMCC"),
        ("ece_calibrated", "ECECalibrated"),
        ("balanced_accuracy", "BalancedAccuracy"),
        ("f1", "F1"),
        ("precision_at_1_10", "PrecisionAt1To10"),
        ("precision_at_1_100", "PrecisionAt1To100"),
        ("mean_vector_logistic", "MeanVectorLogistic"),
    ],
)
def test_words_run_together_and_abbreviations_stay_in_capitals(measure, column):
    assert column_name(measure) == column


@given(MEASURES)
def test_every_name_is_in_the_style(measure):
    assert is_in_style(column_name(measure))
    assert column_name(measure).lower() == measure.replace("_", "")


def test_no_two_measures_share_a_column():
    assert len({*METRIC_COLUMNS, *map(column_name, BASELINES)}) == len(METRICS) + len(BASELINES)


def test_only_the_names_of_a_table_change():
    table = pd.DataFrame({"epoch": [1, 2], "training_auroc": [0.5, 0.6]})
    found = with_column_names(table)
    assert found.to_dict("list") == {"Epoch": [1, 2], "TrainingAUROC": [0.5, 0.6]}
    assert list(table) == ["epoch", "training_auroc"]
