import copy
import json
import sys

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.metrics import log_loss, roc_auc_score
from tuning import (
    ALL_MAPS,
    WINDOWS,
    cut,
    random_sequences,
    settings_of,
    small_encoder,
    small_network,
    training_of,
    tuner_of,
)

from conftest import ROOT
from esm2_amp.encoder.embedding import embed
from esm2_amp.encoder.loading import Encoder, load_encoder
from esm2_amp.errors import DivergedError, InputError
from esm2_amp.finetuning.adapters import AdaptedEncoder, check_adapters
from esm2_amp.finetuning.fit import Finetuned, finetune
from esm2_amp.finetuning.start import Start
from esm2_amp.finetuning.tuner import EncoderTuner
from esm2_amp.io.encoder import PretrainedEncoderDataset
from esm2_amp.models.registry import build_network
from esm2_amp.pairs import Pairs
from esm2_amp.parameters.model_training import DPMParameters
from esm2_amp.training.callbacks import EpochRecord

CPU = torch.device("cpu")
TINY = ROOT / "tests/data/golden/esm2_tiny"
LENGTHS = [13, 22, 9, 30, 18, 41, 12, 26]


def random_pairs(count, seed):
    rng = np.random.default_rng(seed)
    a, b = rng.integers(len(LENGTHS), size=(2, count))
    return Pairs.of_rows(torch.empty(0), a, b, np.arange(count) % 2)


def tuned(folder, settings=None, *, seed=1, name="ESM2_DPM", encoder=None, network=None, **training) -> Finetuned:
    settings = settings or settings_of()
    start = Start(encoder or small_encoder(), network or small_network(name), training_of(**training))
    proteins = cut(random_sequences(LENGTHS), settings.tokens_at_once)
    pairs = random_pairs(30, 0), random_pairs(12, 1)
    return finetune(start, proteins, *pairs, settings, folder=folder, device="cpu", seed=seed)


def stored(tuned_encoder, folder) -> Encoder:
    dataset = PretrainedEncoderDataset(filepath=str(folder / "encoder"), stored_as="float32")
    dataset.save(tuned_encoder)
    return load_encoder(str(folder / "encoder"))


def assert_same(one: Finetuned, other: Finetuned) -> None:
    pd.testing.assert_frame_equal(one.record, other.record, check_exact=True)
    for ours, theirs in ((one.network, other.network), (one.encoder, other.encoder)):
        state = theirs.state_dict()
        assert all(torch.equal(weight, state[name]) for name, weight in ours.state_dict().items())


@pytest.mark.parametrize("half", [False, True], ids=["float32", "rounded frequencies"])
def test_stored_encoder_gives_the_vectors_that_training_saw(half, tmp_path):
    settings = settings_of(modules=ALL_MAPS, epochs=1)
    tuner = tuner_of(random_sequences(LENGTHS), settings, encoder=small_encoder(half=half)).float().eval()
    seen = tuner.protein_vectors(torch.arange(len(LENGTHS)))
    encoder = stored(tuner.encoder.merged(), tmp_path)
    found = embed(encoder, random_sequences(LENGTHS), WINDOWS, CPU)
    torch.testing.assert_close(found, seen, atol=1e-5, rtol=0)


def test_result_read_from_its_folder_has_the_loss_of_the_selected_epoch(tmp_path):
    result = tuned(tmp_path / "checkpoints")
    selected = result.record[result.record["selected"]].iloc[0]
    table = embed(stored(result.encoder, tmp_path), random_sequences(LENGTHS), WINDOWS, CPU)
    validation = random_pairs(12, 1)
    tokens = torch.cat([table[validation.a, 12:], table[validation.b, 12:]], dim=1)
    with torch.inference_mode():
        probability = result.network(tokens).sigmoid().numpy()
    assert selected["validation_loss"] == pytest.approx(log_loss(validation.label, probability), rel=1e-5)
    assert selected["validation_auroc"] == pytest.approx(roc_auc_score(validation.label, probability), abs=1e-6)


def test_adapters_begin_as_no_change():
    encoder, settings = small_encoder(half=True), settings_of(tokens_at_once=60)
    proteins = cut(random_sequences(LENGTHS))
    start = AdaptedEncoder(encoder.weights, settings), small_network()
    tuner = EncoderTuner(*start, proteins, settings, training_of(), total_steps=1, seed=1)
    before = embed(encoder, random_sequences(LENGTHS), WINDOWS, CPU)
    torch.testing.assert_close(tuner.protein_vectors(torch.arange(len(LENGTHS))), before, atol=1e-5, rtol=0)


def test_what_a_fine_tuning_starts_from_is_left_as_it_is(tmp_path):
    encoder, network = small_encoder(), small_network()
    fingerprint, state = Encoder(encoder.weights, "").fingerprint, copy.deepcopy(network.state_dict())
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    result = tuned(tmp_path, encoder=encoder, network=network)
    assert torch.equal(torch.rand(3), expected)
    del encoder.weights.__dict__["fingerprint"]
    assert encoder.fingerprint == fingerprint
    assert all(torch.equal(weight, state[name]) for name, weight in network.state_dict().items())
    assert any(not torch.equal(weight, state[name]) for name, weight in result.network.state_dict().items())


def test_seed_decides_the_result(tmp_path):
    settings = settings_of(dropout=0.3)
    first, same, other = (tuned(tmp_path / name, settings, seed=seed) for name, seed in (("a", 1), ("b", 1), ("c", 2)))
    assert_same(first, same)
    assert not first.record.equals(other.record)


@pytest.mark.parametrize("name", ["ESM2_DPM", "ESM2_AMPS"])
def test_size_of_the_parts_changes_only_rounding(name, tmp_path):
    parts = tuned(tmp_path / "parts", settings_of(tokens_at_once=45), name=name, micro_batch_size=3)
    whole = tuned(tmp_path / "whole", settings_of(tokens_at_once=5000), name=name)
    pd.testing.assert_frame_equal(parts.record, whole.record, rtol=1e-2, atol=1e-4)
    state = whole.encoder.state_dict()
    for weight_name, weight in parts.encoder.state_dict().items():
        torch.testing.assert_close(weight, state[weight_name], atol=1e-3, rtol=1e-2)


def test_only_adapted_layers_and_maps_change(tmp_path):
    encoder = small_encoder()
    result = tuned(tmp_path, settings_of(layers=1, modules="value contraction"), encoder=encoder)
    state = result.encoder.state_dict()
    changed = {name for name, weight in encoder.weights.tensors.items() if not torch.equal(weight, state[name])}
    assert changed == {f"encoder.layer.1.{name}.weight" for name in ("attention.self.value", "output.dense")}
    assert "lora" not in " ".join(state)


def test_mixed_precision_tunes(tmp_path):
    assert tuned(tmp_path, settings_of(precision="bf16-mixed")).record.notna().all(axis=None)


class Killed(BaseException):
    """Ends a fit as a signal would, unseen by `except Exception`."""


def interrupt_at(epoch):
    def interrupt(self, trainer, pl_module):
        if len(self.rows) == epoch:
            raise Killed

    return interrupt


@pytest.mark.parametrize("after", [0, 2, 3])
def test_interrupted_fine_tuning_goes_on_as_if_undisturbed(after, tmp_path, monkeypatch):
    settings = settings_of(dropout=0.3, tokens_at_once=45)
    changed = {"settings": settings, "pair_order": "random"}
    with monkeypatch.context() as patch:
        patch.setattr(EpochRecord, "on_train_epoch_start", interrupt_at(after), raising=False)
        patch.setattr(EpochRecord, "on_train_end", interrupt_at(after), raising=False)
        with pytest.raises(Killed):
            tuned(tmp_path / "killed", **changed)
    assert_same(tuned(tmp_path / "killed", **changed), tuned(tmp_path / "undisturbed", **changed))


def tune_and_record(folder) -> None:
    result = tuned(folder / "checkpoints", settings_of(epochs=8, dropout=0.2))
    weights = {name: weight.double().sum().item() for name, weight in result.encoder.state_dict().items()}
    (folder / "weights.json").write_text(json.dumps(weights))
    result.record.to_csv(folder / "record.csv")


def test_fine_tuning_killed_at_random_moments_gives_the_same(tmp_path, killed):
    (tmp_path / "killed").mkdir()
    (tmp_path / "undisturbed").mkdir()
    tune_and_record(tmp_path / "undisturbed")
    folder = tmp_path / "killed"
    kills = killed(
        tune_and_record, folder, watch=folder / "checkpoints", delays=np.random.default_rng(3).uniform(0, 1, 3)
    )
    assert kills > 1
    for name in ("record.csv", "weights.json"):
        assert (folder / name).read_text() == (tmp_path / "undisturbed" / name).read_text()


def test_finished_fine_tuning_is_read_from_its_checkpoints(tmp_path, monkeypatch):
    first = tuned(tmp_path)
    monkeypatch.setattr(EncoderTuner, "training_step", lambda *_: pytest.fail("nothing should be trained again"))
    assert_same(tuned(tmp_path), first)


@pytest.mark.parametrize(
    "change",
    [
        {"settings": settings_of(rank=3)},
        {"seed": 4},
        {"network": small_network(seed=9)},
        {"encoder": small_encoder(9)},
        {"weight_decay": 0.2},
    ],
    ids=lambda change: next(iter(change)),
)
def test_finished_fine_tuning_of_something_else_is_not_taken(change, tmp_path):
    tuned(tmp_path / "changed")
    assert_same(tuned(tmp_path / "changed", **change), tuned(tmp_path / "fresh", **change))


def test_checkpoints_hold_what_is_trained_and_nothing_else(tmp_path):
    tuned(tmp_path)
    for file in tmp_path.glob("*.ckpt"):
        names = torch.load(file, weights_only=False)["state_dict"]
        assert all("lora_" in name or name.startswith("network.") for name in names)
        assert sum("lora_" in name for name in names) == 2 * 2 * 3


def test_pairs_of_one_class(tmp_path):
    start = Start(small_encoder(), small_network(), training_of())
    one = Pairs.of_rows(torch.empty(0), [0, 1], [1, 2], [1, 1])
    with pytest.raises(InputError, match="training pairs must hold both classes, got 2 positive"):
        finetune(
            start, cut(random_sequences(LENGTHS)), one, random_pairs(8, 0), settings_of(),
            folder=tmp_path, device="cpu", seed=1,
        )  # fmt: skip
    assert not list(tmp_path.iterdir())


def test_too_little_memory_is_told_with_the_settings_that_decide(tmp_path, monkeypatch):
    def full(*_):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(AdaptedEncoder, "forward", full)
    with pytest.raises(InputError, match=r"too small for finetuning.tokens_at_once=60 .*recompute=true"):
        tuned(tmp_path)


def test_missing_peft_is_told_with_the_extra_that_has_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "peft", None)
    with pytest.raises(InputError, match=r"finetuning needs peft, .* pip install 'esm2_amp\[lora\]'"):
        check_adapters(settings_of(), small_encoder().weights)


def test_diverging_fine_tuning_ends_with_the_reason(tmp_path):
    settings = settings_of(learning_rate=1e30, network_learning_rate=1e30, gradient_clip=None)
    with pytest.raises(DivergedError, match="fine-tuning diverged: its training loss must be a finite number"):
        tuned(tmp_path, settings)


MOTIF = list("WCHWCH")


def planted_pairs(count, seed):
    """Pairs of proteins each its own; A has the motif, or its residues in another order: compositions say nothing."""
    rng = np.random.default_rng(seed)
    sequences, has = [], np.arange(count) % 2 == 0
    for with_motif in has:
        residues = rng.choice(list("LAGVSERTIDPK"), int(rng.integers(14, 20)))
        at = int(rng.integers(0, len(residues) - len(MOTIF)))
        residues[at : at + len(MOTIF)] = MOTIF if with_motif else rng.permutation(MOTIF)
        sequences.append("".join(residues))
    return sequences, rng.permutation(count), has


def fitted_to_motif(folder, learning_rate) -> pd.DataFrame:
    """The record of a fine-tuning on pairs that interact where A has the motif; validation proteins are others."""
    training, b, label = planted_pairs(300, 0)
    validation, other_b, other_label = planted_pairs(240, 1)
    splits = [
        Pairs.of_rows(torch.empty(0), np.arange(300), b, label),
        Pairs.of_rows(torch.empty(0), 300 + np.arange(240), 300 + other_b, other_label),
    ]
    torch.manual_seed(0)
    sizes = DPMParameters(architecture="ESM2_DPM", h1=32, h2=16, h3=8)
    start = Start(load_encoder(str(TINY)), build_network(sizes, 32), training_of())
    settings = settings_of(
        rank=8, alpha=16, modules=ALL_MAPS, learning_rate=learning_rate, network_learning_rate=3e-3, warmup_steps=5,
        pairs_per_step=20, epochs=14, tokens_at_once=2000,
    )  # fmt: skip
    proteins = cut(training + validation, 2000)
    return finetune(start, proteins, *splits, settings, folder=folder, device="cpu", seed=1).record


def test_encoder_learns_a_motif_that_its_frozen_vectors_do_not_show(tmp_path):
    tuned_encoder = fitted_to_motif(tmp_path / "tuned", learning_rate=1e-2)
    frozen = fitted_to_motif(tmp_path / "frozen", learning_rate=1e-12)
    loss = tuned_encoder["training_loss"]
    assert loss.iloc[-1] < 0.85 * loss.iloc[0]
    assert loss.iloc[-1] < 0.85 * frozen["training_loss"].iloc[-1]
    assert tuned_encoder["validation_auroc"].iloc[-1] > 0.75
    assert frozen["validation_auroc"].iloc[-1] < 0.65
