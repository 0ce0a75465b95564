"""Models that were trained, or measured, again after what the report shows of them."""

import pandas as pd
import pytest

from esm2_amp.report.earlier import mark_of_card, mark_of_record, measured_since, trained_since
from esm2_amp.statistics.metrics import pair_metrics

LOSSES = [(0.71, 0.69), (0.61234567, 0.62345678), (0.52, 0.68)]


def record(selected, losses=LOSSES):
    table = pd.DataFrame(losses, columns=["TrainingLoss", "ValidationLoss"]).round(6)
    return table.assign(Selected=[row in selected for row in range(len(losses))])


def epoch(row):
    return dict(zip(("training_loss", "validation_loss"), LOSSES[row], strict=True))


@pytest.mark.parametrize(
    ("card", "table", "is_told"),
    [
        ({"selected_epoch": epoch(1)}, record([1]), False),
        ({"selected_epoch": epoch(1)}, record([2]), True),
        ({"selected_epoch": epoch(1)}, record([1], [(0.71, 0.69), (0.61234567, 0.62355678)]), True),
        ({"members": [epoch(0), epoch(2)]}, record([0, 2]), False),
        ({"members": [epoch(0), epoch(2)]}, record([0, 1]), True),
        ({"members": [epoch(0), epoch(2)]}, record([0]), True),
        ({"selected_epoch": epoch(0)}, record([0, 2]), True),
    ],
)
def test_a_training_since_the_evaluation_is_told(card, table, is_told):
    measured = {"ESM2_DPM": "1 2", "ESM2_GRU": mark_of_card(card)}
    told = list(trained_since(measured, {"ESM2_GRU": mark_of_record(table), "ESM2_MEAN": "3 4"}))
    assert len(told) == is_told
    assert all(sentence.startswith("Trained again after they were measured: ESM2_GRU. ") for sentence in told)


def scored(logits, labels=(0, 1, 1, 0)):
    return pd.DataFrame({"Split": ["validation", *["test"] * 4], "Label": [1, *labels], "Logit": [9.0, *logits]})


def test_an_evaluation_since_the_comparison_is_told():
    logits = {"ESM2_GRU": [-0.1234567, 0.5, 1.5, -2.0], "ESM2_DPM": [0.3, 0.1, -0.2, 0.4]}
    models = pd.DataFrame(
        {"Model": name, "Brier": round(pair_metrics([0, 1, 1, 0], of_model)["brier"], 6)}
        for name, of_model in {**logits, "composition": [0.0] * 4}.items()
    )
    tables = {name: scored([round(logit, 6) for logit in of_model]) for name, of_model in logits.items()}
    assert not list(measured_since(models, tables))
    (told,) = measured_since(models, {**tables, "ESM2_GRU": scored([-0.13, 0.5, 1.5, -2.0])})
    assert told.startswith("Measured again after the models were compared: ESM2_GRU. ")
