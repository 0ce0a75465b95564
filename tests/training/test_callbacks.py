"""What is logged of a fit, by a clock of the test's own."""

import re
from itertools import pairwise
from types import SimpleNamespace

import pytest
import torch

from esm2_amp import progress
from esm2_amp.progress import Budget
from esm2_amp.training import callbacks
from esm2_amp.training.callbacks import EpochRecord

METRICS = {"training_loss": 0.5, "validation_loss": 0.6, "validation_mcc": 0.3, "validation_auroc": 0.7}


@pytest.fixture
def lines_of_fit(monkeypatch, caplog):
    """When lines are logged of a fit, in seconds from its beginning, and what they say."""

    def fit(epochs, batches, validation_batches, seconds_of_batch):
        now = [0.0]
        monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
        monkeypatch.setattr(progress, "_OF_THE_RUN", Budget())
        trainer = SimpleNamespace(
            current_epoch=0, max_epochs=epochs, num_training_batches=batches, num_val_batches=[validation_batches],
            callback_metrics={name: torch.tensor(value) for name, value in METRICS.items()},
            optimizers=[SimpleNamespace(param_groups=[{"lr": 0.1}])],
        )  # fmt: skip
        record, found = EpochRecord("net"), []

        def count():
            found.extend((now[0], message) for message in caplog.messages[len(found) :])

        with caplog.at_level("INFO", logger=callbacks.__name__):
            record.on_train_start(trainer, None)
            for epoch in range(epochs):
                trainer.current_epoch = epoch
                for batch in range(batches):
                    now[0] += seconds_of_batch
                    record.on_train_batch_end(trainer, None, None, None, batch)
                    count()
                for batch in range(validation_batches):
                    now[0] += seconds_of_batch / 3
                    record.on_validation_batch_end(trainer, None, None, None, batch)
                    count()
                record.on_train_epoch_end(trainer, None)
                count()
        return now[0], found

    return fit


def seconds_in(words):
    value, unit, *rest = re.search(r"about (.+) left", words)[1].split()
    if unit == "h":
        return 3600 * int(value) + 60 * int(rest[0])
    return int(value) * {"s": 1, "min": 60}[unit]


def test_a_long_epoch_says_how_far_it_is_and_when_the_fit_will_end(lines_of_fit):
    took, lines = lines_of_fit(4, 638, 200, seconds_of_batch=2.0)  # an epoch of 23 minutes
    assert re.fullmatch(r"net: epoch 1 of 4, 3 of 638 batches \(0 %\); about 1 h \d+ min left", lines[0][1])
    within = [(at, line) for at, line in lines if "batches" in line]
    assert len(within) > 60
    for at, line in within[3:]:
        assert seconds_in(line) == pytest.approx(took - at, abs=40)
    assert max(after - before for (before, _), (after, _) in pairwise(lines)) < 63
    assert len([line for _, line in lines if "validation loss 0.6000, MCC 0.3000" in line]) == 4
    assert len(lines) <= 100 * took / 3600


def test_short_epochs_have_few_lines_and_the_last_one(lines_of_fit):
    took, lines = lines_of_fit(50, 10, 3, seconds_of_batch=0.02)
    assert took == pytest.approx(11)
    assert len(lines) == 2
    measured = "loss 0.5000, validation loss 0.6000, MCC 0.3000, AUROC 0.7000"
    assert lines[-1][1] == f"net: epoch 50 of 50, {measured}; took 11 s"


@pytest.mark.parametrize("seconds_of_epoch", [1, 10, 61, 300])
def test_an_hour_of_a_fit_has_at_most_a_hundred_lines(lines_of_fit, seconds_of_epoch):
    _, lines = lines_of_fit(3600 // seconds_of_epoch, 50, 0, seconds_of_batch=seconds_of_epoch / 50)
    assert 30 < len(lines) <= 100
