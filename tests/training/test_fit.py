import json
import os
import shutil
import signal
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.metrics import log_loss, matthews_corrcoef, roc_auc_score
from torch.nn.functional import binary_cross_entropy_with_logits

from esm2_amp.errors import DivergedError, InputError
from esm2_amp.models.registry import MODELS, build_network
from esm2_amp.pairs import Pairs
from esm2_amp.parameters.model_training import ModelParameters
from esm2_amp.training.callbacks import EpochRecord
from esm2_amp.training.fit import Fit, fit_network, fit_trial

WIDTH, PROTEINS, EPOCHS = 8, 40, 5
NETWORKS = {
    "ESM2_AMPS": {"h1": 8, "h2": 4, "layers": 1, "heads": 2, "feed_forward": 16, "dropout": 0.3},
    "ESM2_DPM": {"h1": 16, "h2": 8, "h3": 4},
    "ESM2_GRU": {"h1": 8, "h2": 4, "layers": 2, "dropout": 0.3},
    "ESM2_MEAN": {"h1": 8, "h2": 4},
    "ESM2_SIAM": {"h1": 8, "h2": 6, "h3": 4, "dropout": 0.1},
}
# a patience of 0 changes the learning rate within the few epochs, as a resumed fit must, too
PLATEAU = {"factor": 0.5, "patience": 0, "floor": 1e-8}


def settings_of(name="ESM2_AMPS", **training) -> ModelParameters:
    given = {"learning_rate": 1e-2, "weight_decay": 1e-2, "batch_size": 16, "epochs": EPOCHS, "plateau": PLATEAU}
    return ModelParameters(network={"architecture": name, **NETWORKS[name]}, training=given | training)


def separable_pairs(name="ESM2_AMPS", seed=0):
    """A pair interacts when the sum of both proteins' first coordinates is positive."""
    rng = np.random.default_rng(seed)
    tokens = 1 if name == "ESM2_DPM" else 10
    strength = rng.normal(size=PROTEINS)
    table = 0.1 * rng.normal(size=(PROTEINS, tokens, WIDTH))
    table[:, :, 0] += strength[:, None]
    splits = []
    for pairs in (200, 60):
        a, b = rng.integers(PROTEINS, size=(2, pairs))
        splits.append((torch.tensor(a), torch.tensor(b), torch.tensor(strength[a] + strength[b] > 0).float()))
    return torch.tensor(table, dtype=torch.float32), *splits


def fit(folder: Path, settings: ModelParameters | None = None, *, seed=1, pairs=None) -> Fit:
    settings = settings or settings_of()
    table, training, validation = pairs or separable_pairs(settings.network.architecture)
    splits = Pairs(table, *training), Pairs(table, *validation)
    return fit_network(*splits, settings, folder=folder, device="cpu", seed=seed)


def assert_same(fit_a: Fit, fit_b: Fit) -> None:
    pd.testing.assert_frame_equal(fit_a.record, fit_b.record, check_exact=True)
    weights_a, weights_b = fit_a.network.state_dict(), fit_b.network.state_dict()
    assert all(torch.equal(weights_a[name], weights_b[name]) for name in weights_a)


@pytest.mark.parametrize("name", NETWORKS)
def test_learns_what_can_be_learnt(name, tmp_path):
    record = fit(tmp_path, settings_of(name, epochs=12, plateau={"patience": 10})).record
    assert record["validation_auroc"].max() > 0.95
    assert record["training_loss"].iloc[-1] < record["training_loss"].iloc[0] / 2


def test_record_has_a_complete_row_per_epoch(tmp_path):
    record = fit(tmp_path).record
    metrics = ["loss", "mcc", "accuracy", "recall", "f1", "auroc"]
    assert set(record) == {"epoch", "learning_rate", "selected"} | {
        f"{split}_{metric}" for split in ("training", "validation") for metric in metrics
    }
    assert record["epoch"].tolist() == list(range(1, EPOCHS + 1))
    assert record.notna().all(axis=None)
    assert record["selected"].sum() == 1


def test_validation_measures_of_the_record_are_those_of_the_network(tmp_path):
    table, training, (a, b, label) = separable_pairs()
    network, record = fit(tmp_path, pairs=(table, training, (a, b, label)))
    with torch.inference_mode():
        probability = network(torch.cat((table[a], table[b]), dim=1)).sigmoid().numpy()
    selected = record[record["selected"]].iloc[0]
    assert selected["validation_loss"] == pytest.approx(log_loss(label, probability), rel=1e-4)
    assert selected["validation_auroc"] == pytest.approx(roc_auc_score(label, probability), rel=1e-4)
    assert selected["validation_mcc"] == pytest.approx(matthews_corrcoef(label, probability >= 0.5), rel=1e-4)


def test_seed_decides_the_fit(tmp_path):
    first, same, other = (fit(tmp_path / name, seed=seed) for name, seed in (("a", 1), ("b", 1), ("c", 2)))
    assert_same(first, same)
    assert not first.record.equals(other.record)


def test_steps_are_those_of_adamw_with_the_settings(tmp_path):
    given = {"learning_rate": 3e-3, "weight_decay": 0.1, "beta2": 0.5, "batch_size": 200, "epochs": 3}
    settings = settings_of("ESM2_MEAN", **given, selection="last_epoch")
    table, (a, b, label), _ = separable_pairs("ESM2_MEAN")
    torch.manual_seed(1)
    network = build_network(settings.network, WIDTH)
    optimizer = torch.optim.AdamW(network.parameters(), lr=3e-3, betas=(0.9, 0.5), weight_decay=0.1)
    for _ in range(3):
        optimizer.zero_grad()
        binary_cross_entropy_with_logits(network(torch.cat((table[a], table[b]), dim=1)), label).backward()
        optimizer.step()
    torch.testing.assert_close(fit(tmp_path, settings).network.state_dict(), network.state_dict(), rtol=1e-4, atol=1e-6)


def test_global_random_state_is_left_alone(tmp_path):
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    fit(tmp_path)
    assert torch.equal(torch.rand(3), expected)


class Killed(BaseException):
    """Ends a fit as a signal would, unseen by `except Exception`."""


def pairs_ever_worse(name):
    """A validation loss that rises with what is learnt, so that the learning rate falls."""
    table, training, (a, b, label) = separable_pairs(name)
    return table, training, (a, b, 1 - label)


@pytest.fixture(scope="module", params=["ESM2_AMPS", "ESM2_GRU"])
def undisturbed(request, tmp_path_factory):
    name = request.param
    undisturbed = fit(tmp_path_factory.mktemp("undisturbed"), settings_of(name), pairs=pairs_ever_worse(name))
    assert undisturbed.record["learning_rate"].nunique() > 1, "the schedule should have something to remember"
    return name, undisturbed


@pytest.mark.parametrize("after", [0, 1, 3, EPOCHS])
def test_interrupted_fit_goes_on_as_if_undisturbed(undisturbed, after, tmp_path, monkeypatch):
    name, expected = undisturbed
    with monkeypatch.context() as patch:
        patch.setattr(EpochRecord, "on_train_epoch_start", interrupt_at(after), raising=False)
        patch.setattr(EpochRecord, "on_train_end", interrupt_at(after), raising=False)
        with pytest.raises(Killed):
            fit(tmp_path, settings_of(name), pairs=pairs_ever_worse(name))
    assert_same(fit(tmp_path, settings_of(name), pairs=pairs_ever_worse(name)), expected)


def interrupt_at(epoch):
    def interrupt(self, trainer, pl_module):
        if len(self.rows) == epoch:
            raise Killed

    return interrupt


def fit_and_record(folder: Path) -> None:
    settings = settings_of(epochs=30, warmup_steps=150, decay="cosine")
    fit(folder / "checkpoints", settings).record.to_csv(folder / "record.csv")


def test_fit_killed_at_random_moments_gives_the_same_record(tmp_path, killed):
    rng = np.random.default_rng(3)
    fit_and_record(tmp_path)
    undisturbed = (tmp_path / "record.csv").read_text()
    shutil.rmtree(tmp_path)
    kills = killed(fit_and_record, tmp_path, watch=tmp_path / "checkpoints", delays=rng.uniform(0, 1, 4))
    assert kills > 1
    assert (tmp_path / "record.csv").read_text() == undisturbed


@pytest.mark.parametrize("moment", ["on_train_batch_end", "on_validation_batch_end", "on_train_end"])
def test_terminated_fit_ends_with_the_status_of_that_and_goes_on(moment, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(EpochRecord, moment, lambda *_: os.kill(os.getpid(), signal.SIGTERM))
        with pytest.raises(SystemExit) as ended:
            fit(tmp_path / "terminated")
    assert ended.value.code == 143
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
    assert_same(fit(tmp_path / "terminated"), fit(tmp_path / "undisturbed"))


def test_checkpoint_cut_short_by_a_crash_is_never_read(tmp_path, monkeypatch):
    undisturbed = fit(tmp_path / "undisturbed")
    real_replace = os.replace

    def die_before_rename(self, target):
        if "epoch002" in str(target):
            raise Killed
        return real_replace(self, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", die_before_rename)
        with pytest.raises(Killed):
            fit(tmp_path / "resumed")
    assert_same(fit(tmp_path / "resumed"), undisturbed)


def test_finished_fit_starts_afresh(tmp_path):
    assert_same(fit(tmp_path), fit(tmp_path))


@pytest.mark.parametrize(
    "change",
    [
        {"settings": settings_of(learning_rate=2e-2)},
        {"seed": 5},
        {"pairs": separable_pairs(seed=9)},
    ],
    ids=lambda change: next(iter(change)),
)
def test_unfinished_fit_of_something_else_is_not_gone_on_with(change, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(EpochRecord, "on_train_epoch_start", interrupt_at(2), raising=False)
        with pytest.raises(Killed):
            fit(tmp_path / "changed")
    assert_same(fit(tmp_path / "changed", **change), fit(tmp_path / "fresh", **change))


def test_unfinished_fit_moved_elsewhere_gives_the_same(tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(EpochRecord, "on_train_epoch_start", interrupt_at(4), raising=False)
        with pytest.raises(Killed):
            fit(tmp_path / "first")
    shutil.move(tmp_path / "first", tmp_path / "moved")
    assert_same(fit(tmp_path / "moved"), fit(tmp_path / "undisturbed"))


def test_gradients_of_parts_add_up_to_those_of_the_batch(tmp_path):
    settings = {"batch_size": 20, "epochs": 3}
    whole = fit(tmp_path / "whole", settings_of("ESM2_MEAN", **settings))
    parts = fit(tmp_path / "parts", settings_of("ESM2_MEAN", **settings, micro_batch_size=5))
    for name, weight in whole.network.state_dict().items():
        torch.testing.assert_close(parts.network.state_dict()[name], weight, atol=1e-4, rtol=1e-3)
    pd.testing.assert_frame_equal(whole.record, parts.record, rtol=1e-3)


def test_part_of_a_batch_must_divide_it(tmp_path):
    with pytest.raises(InputError, match="micro_batch_size must divide batch_size 16, got 5"):
        fit(tmp_path, settings_of(micro_batch_size=5))


@pytest.mark.parametrize("change", [{"features_on": "host"}, {"features_on": "device"}])
def test_place_of_the_table_changes_nothing(change, tmp_path):
    assert_same(fit(tmp_path / "a", settings_of(**change)), fit(tmp_path / "b"))


def test_half_precision_table_is_read_as_numbers_not_copied(tmp_path):
    table, training, validation = separable_pairs()
    half = table.half()
    pairs_half, pairs_same = (half, training, validation), (half.float(), training, validation)
    assert_same(fit(tmp_path / "a", pairs=pairs_half), fit(tmp_path / "b", pairs=pairs_same))


def test_mixed_precision_fits(tmp_path):
    record = fit(tmp_path, settings_of(precision="bf16-mixed", epochs=12, plateau={"patience": 10})).record
    assert record["validation_auroc"].max() > 0.9


@pytest.mark.parametrize("selection", ["best_validation_mcc", "last_epoch"])
def test_selection_decides_which_epoch_is_kept(selection, tmp_path):
    table, training, validation = pairs_ever_worse("ESM2_AMPS")
    fitted, record = fit(tmp_path, settings_of(selection=selection), pairs=(table, training, validation))
    best = record.loc[record["validation_mcc"].idxmax(), "epoch"]
    selected = record[record["selected"]].iloc[0]
    assert selected["epoch"] == (best if selection == "best_validation_mcc" else EPOCHS)
    assert best < EPOCHS
    a, b, label = validation
    with torch.inference_mode():
        logit = fitted(torch.cat((table[a], table[b]), dim=1))
    assert ((logit > 0) == label).float().mean() == pytest.approx(selected["validation_accuracy"])


def test_fit_killed_after_it_ran_out_of_patience_does_not_go_on(tmp_path, monkeypatch):
    settings = settings_of(patience=2, epochs=40, learning_rate=0.05)
    undisturbed = fit(tmp_path / "undisturbed", settings)
    with monkeypatch.context() as patch:
        patch.setattr(EpochRecord, "on_train_end", interrupt_at(len(undisturbed.record)), raising=False)
        with pytest.raises(Killed):
            fit(tmp_path / "resumed", settings)
    assert_same(fit(tmp_path / "resumed", settings), undisturbed)


def test_patience_ends_a_fit_early(tmp_path):
    settings = settings_of(patience=2, epochs=40, learning_rate=0.05)
    record = fit(tmp_path, settings).record
    best = record.loc[record["validation_mcc"].idxmax(), "epoch"]
    assert len(record) == best + 2


@pytest.mark.parametrize("value", [0, 1])
@pytest.mark.parametrize("split", ["training", "validation"])
def test_one_class_only(split, value, tmp_path):
    table, *parts = separable_pairs()
    which = ["training", "validation"].index(split)
    a, b, label = parts[which]
    parts[which] = a, b, torch.full_like(label, value)
    with pytest.raises(InputError, match=f"{split} pairs must hold both classes, got {value * len(label)} positive"):
        fit(tmp_path, pairs=(table, *parts))
    assert not list(tmp_path.iterdir())


def test_checkpoints_kept_are_the_best_three_and_the_last(tmp_path):
    record = fit(tmp_path, settings_of(epochs=8, plateau={"patience": 10})).record
    best = record.nlargest(3, "validation_mcc")["validation_mcc"].min()
    kept = sorted(int(file.stem.removeprefix("epoch")) + 1 for file in tmp_path.glob("epoch*.ckpt"))
    assert len(kept) == 3
    assert record.set_index("epoch").loc[kept, "validation_mcc"].min() == best
    assert (tmp_path / "last.ckpt").exists()
    assert json.loads((tmp_path / "fit.json").read_text())["finished"]


def test_every_registered_model_can_be_configured():
    assert {*NETWORKS, "ESM2_AMP_CSE"} == set(MODELS)


def test_trial_is_fitted_as_the_final_model_is(tmp_path):
    table, training, validation = separable_pairs()
    splits, told = (Pairs(table, *training), Pairs(table, *validation)), []
    record = fit_trial(
        *splits,
        settings_of(),
        name="t",
        device="cpu",
        seed=1,
        on_epoch=lambda *now: told.append(now),
    )
    final = fit_network(*splits, settings_of(selection="last_epoch"), folder=tmp_path, device="cpu", seed=1)
    pd.testing.assert_frame_equal(record, final.record.drop(columns="selected"))
    logit = final.network(table[np.stack(validation[:2], 1)].flatten(1, 2)).detach()
    assert told[-1] == (len(record), pytest.approx(matthews_corrcoef(validation[2], logit > 0)))


@pytest.mark.parametrize("fit", ["trial", "final"])
def test_diverging_fit_ends_with_the_reason(fit, tmp_path):
    table, *columns = separable_pairs()
    pairs = [Pairs(table, *of_split) for of_split in columns]
    settings = settings_of("ESM2_MEAN", learning_rate=1e30)
    with pytest.raises(
        DivergedError, match=r"diverged: its \w+ loss must be a finite number, got .* in epoch \d; lower"
    ):
        if fit == "trial":
            fit_trial(*pairs, settings, name="t", device="cpu", seed=1, on_epoch=lambda *_: None)
        else:
            fit_network(*pairs, settings, folder=tmp_path, device="cpu", seed=1)


@pytest.mark.parametrize("warmup_steps", [0, 20])
def test_learning_rate_falls_along_a_cosine_after_it_has_risen(warmup_steps, tmp_path):
    """5 epochs of 13 steps: the last step of each has this share of the learning rate."""
    record = fit(tmp_path, settings_of(warmup_steps=warmup_steps, decay="cosine")).record
    steps = 13 * np.arange(1, 6)
    expected = np.minimum(1, steps / max(1, warmup_steps)) * (1 + np.cos(np.pi * (steps - 1) / 65)) / 2
    np.testing.assert_allclose(record["learning_rate"], 1e-2 * expected)


def test_learning_rate_rises_in_the_first_steps(tmp_path):
    """13 steps an epoch: after the first it is 13 / 20 of the whole, which it has from the second on."""
    plateau = {"patience": 100}
    record = fit(tmp_path, settings_of(warmup_steps=20, plateau=plateau)).record
    np.testing.assert_allclose(record["learning_rate"], 1e-2 * np.array([13 / 20, 1, 1, 1, 1]))
    without = fit(tmp_path / "without", settings_of(plateau=plateau)).record
    assert record["training_loss"].iloc[0] != without["training_loss"].iloc[0]
