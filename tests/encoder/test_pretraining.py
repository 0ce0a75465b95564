import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from torch.utils.data import DataLoader
from transformers.utils import logging as transformers_logging

from esm2_amp.encoder.loading import load_encoder
from esm2_amp.encoder.pretraining import (
    IGNORED,
    Corpus,
    MaskedCrops,
    MaskedLanguageModel,
    PretrainingData,
    counted_perplexities,
    masked_batch,
    small_esm2_config,
)
from esm2_amp.encoder.pretraining_fit import fit_language_model
from esm2_amp.encoder.tokens import CLS, EOS, MASK, PAD, encode
from esm2_amp.errors import DivergedError, InputError
from esm2_amp.io.encoder import PretrainedEncoderDataset
from esm2_amp.protein import RESIDUES, STANDARD_RESIDUES

RNG = np.random.default_rng(0)
SEQUENCES = ["".join(RNG.choice(list(STANDARD_RESIDUES), size=size)) for size in RNG.integers(20, 300, size=200)]


def original_and_masked(masked_fraction=0.15):
    tokens = [encode(sequence) for sequence in SEQUENCES]
    batch = masked_batch(tokens, np.random.default_rng(1), masked_fraction)
    original = np.full(batch["input_ids"].shape, PAD)
    for row, crop in zip(original, tokens, strict=True):
        row[: len(crop)] = crop
    return original, {name: tensor.numpy() for name, tensor in batch.items()}


def assert_share(hits, of, expected):
    """Within four standard deviations of a binomial share."""
    assert abs(hits / of - expected) < 4 * math.sqrt(expected * (1 - expected) / of)


def test_masking_has_the_proportions_of_esm2():
    original, batch = original_and_masked()
    chosen = batch["labels"] != IGNORED
    inputs, truth = batch["input_ids"][chosen], original[chosen]
    assert_share(chosen.sum(), sum(map(len, SEQUENCES)), 0.15)
    assert_share((inputs == MASK).sum(), len(inputs), 0.8)
    # of the tenth that become a random residue one in twenty becomes what it was
    assert_share(((inputs != MASK) & (inputs != truth)).sum(), len(inputs), 0.1 * 19 / 20)
    assert_share((inputs == truth).sum(), len(inputs), 0.1 + 0.1 / 20)


def test_masking_leaves_everything_else_as_it_was():
    original, batch = original_and_masked(masked_fraction=0.5)
    chosen = batch["labels"] != IGNORED
    assert (batch["labels"][chosen] == original[chosen]).all()
    assert (batch["input_ids"][~chosen] == original[~chosen]).all()
    assert not np.isin(original[chosen], [CLS, EOS, PAD]).any()
    assert (batch["attention_mask"] == (original != PAD)).all()


@given(
    sequences=st.lists(st.text(STANDARD_RESIDUES, min_size=1, max_size=30), min_size=1, max_size=5),
    length=st.integers(1, 40),
    seed=st.integers(0, 5),
)
def test_crop_is_a_run_of_one_protein(sequences, length, seed):
    corpus, generator = Corpus.from_sequences(sequences), np.random.default_rng(seed)
    for protein, sequence in enumerate(sequences):
        crop, whole = corpus.crop(protein, length, generator), encode(sequence)
        assert len(crop) == min(length, len(whole))
        assert crop.tobytes() in whole.tobytes()


def test_proteins_are_drawn_by_length():
    corpus = Corpus.from_sequences(["A" * 28, "C" * 8])  # 30 and 10 tokens
    crops = MaskedCrops(corpus, range(500), batch_size=4, crop_length=5, masked_fraction=0.1, seed=0)
    kinds = [set(row[row > EOS].tolist()) - {IGNORED, MASK} for batch in crops for row in batch["input_ids"].numpy()]
    of_first = sum(encode("A")[1] in kind for kind in kinds)
    assert of_first / len(kinds) == pytest.approx(0.75, abs=0.05)


def test_a_batch_is_decided_by_seed_and_step():
    corpus = Corpus.from_sequences(SEQUENCES)
    options = {"batch_size": 3, "crop_length": 30, "masked_fraction": 0.15}

    def batches(seed, *steps):
        return [batch["input_ids"].tolist() for batch in MaskedCrops(corpus, range(*steps), seed=seed, **options)]

    assert batches(1, 0, 6) == [*batches(1, 0, 4), *batches(1, 4, 6)]
    assert batches(1, 0, 1) != batches(1, 1, 2)
    assert batches(1, 0, 1) != batches(2, 0, 1)


def test_perplexities_by_counting_by_hand():
    training, held_out = Corpus.from_sequences(["AAC", "CA"]), Corpus.from_sequences(["A", "AG", "CA"])
    n = len(RESIDUES)
    by_frequency, bigram = counted_perplexities(training, held_out)
    # one is added to each count: A has 4 of n + 5, C 3, G 1; held out are A, A, G, C, A
    assert by_frequency == pytest.approx((n + 5) / (4**3 * 3 * 1) ** (1 / 5))
    # after A came A and C, so that G has 1 of n + 2; after C came A alone, so that A has 2 of n + 1
    assert bigram == pytest.approx(math.sqrt((n + 2) * (n + 1) / 2))


class Killed(BaseException):
    """Ends a fit as a signal would, unseen by `except Exception`."""


class StopAt(PretrainingData):
    """Data that give out with an epoch."""

    epoch = 2

    def train_dataloader(self):
        if self.trainer.current_epoch == self.epoch:
            raise Killed
        return super().train_dataloader()


class NotANumber(PretrainingData):
    """Data whose held-out loss is no number: none of the held-out residues is to be predicted."""

    def val_dataloader(self):
        batch = next(iter(super().val_dataloader()))
        batch["labels"].fill_(IGNORED)
        return DataLoader([batch], batch_size=None)


def pretrain(folder, data_class=PretrainingData, learning_rate=1e-3):
    model = MaskedLanguageModel(
        small_esm2_config(layers=1, width=16, heads=2),
        learning_rate=learning_rate, weight_decay=0.01, warmup_steps=3, total_steps=16, seed=4,
    )  # fmt: skip
    training, held_out = Corpus.from_sequences(SEQUENCES[20:]), Corpus.from_sequences(SEQUENCES[:20])
    data = data_class(training, held_out, steps_per_epoch=4, batch_size=4, crop_length=40, masked_fraction=0.15, seed=4)
    record = fit_language_model(
        model, data, epochs=4, precision="32-true", gradient_clip=1.0, folder=folder, device="cpu"
    )
    return model.network, record


def test_interrupted_pretraining_goes_on_as_if_undisturbed(tmp_path):
    expected, expected_record = pretrain(tmp_path / "undisturbed")
    with pytest.raises(Killed):
        pretrain(tmp_path / "resumed", StopAt)
    assert torch.load(tmp_path / "resumed/last.ckpt", weights_only=False)["epoch"] == StopAt.epoch - 1
    network, record = pretrain(tmp_path / "resumed")
    assert record.equals(expected_record)
    assert all(map(torch.equal, network.state_dict().values(), expected.state_dict().values()))


def test_record_is_of_the_perplexities_of_each_epoch(tmp_path, caplog):
    with caplog.at_level("INFO", logger="esm2_amp"):
        network, record = pretrain(tmp_path)
    assert record.columns.tolist() == ["epoch", "training_perplexity", "held_out_perplexity"]
    assert record["epoch"].tolist() == [1, 2, 3, 4]
    held_out = list(PretrainingData(
        Corpus.from_sequences(SEQUENCES[20:]), Corpus.from_sequences(SEQUENCES[:20]),
        steps_per_epoch=4, batch_size=4, crop_length=40, masked_fraction=0.15, seed=4,
    ).val_dataloader())  # fmt: skip
    masked = [int((batch["labels"] != IGNORED).sum()) for batch in held_out]
    with torch.no_grad():
        losses = [float(network(**batch).loss) for batch in held_out]
    last = math.exp(np.average(losses, weights=masked))
    assert record["held_out_perplexity"].iloc[-1] == pytest.approx(last, rel=1e-5)
    assert f"encoder: epoch 4 of 4, loss {math.log(record['training_perplexity'].iloc[-1]):.4f}" in caplog.text
    assert f"held-out loss {math.log(last):.4f}; took" in caplog.text


def test_loss_that_is_no_number_ends_pretraining(tmp_path):
    with pytest.raises(DivergedError, match="encoder diverged: its held out loss must be a finite number, got nan"):
        pretrain(tmp_path, NotANumber)


def test_unfinished_pretraining_of_something_else_is_not_gone_on_with(tmp_path):
    with pytest.raises(Killed):
        pretrain(tmp_path / "changed", StopAt)
    _, record = pretrain(tmp_path / "changed", learning_rate=2e-3)
    assert record.equals(pretrain(tmp_path / "fresh", learning_rate=2e-3)[1])


def test_finished_pretraining_gives_the_same_again(tmp_path):
    first, again = (pretrain(tmp_path) for _ in range(2))
    assert first[1].equals(again[1])
    assert all(map(torch.equal, first[0].state_dict().values(), again[0].state_dict().values()))


def test_saved_encoder_loads_back_equal(tmp_path):
    network, _ = pretrain(tmp_path / "checkpoints")
    expected = {name: weight.half().float() for name, weight in network.esm.state_dict().items()}
    PretrainedEncoderDataset(filepath=str(tmp_path / "encoder")).save(network.esm)
    loaded = load_encoder(str(tmp_path / "encoder")).weights.tensors
    for name, weight in loaded.items():
        torch.testing.assert_close(weight, expected[name], msg=name)
    unused = {"contact_head.regression.weight", "contact_head.regression.bias", "rotary_embeddings.inv_freq"}
    assert set(expected) - set(loaded) == unused


def test_saving_prints_nothing_and_restores_verbosity(tmp_path, capfd):
    network, _ = pretrain(tmp_path / "checkpoints")
    before = transformers_logging.get_verbosity(), transformers_logging.is_progress_bar_enabled()
    capfd.readouterr()
    PretrainedEncoderDataset(filepath=str(tmp_path / "encoder")).save(network.esm)
    assert capfd.readouterr() == ("", "")
    assert (transformers_logging.get_verbosity(), transformers_logging.is_progress_bar_enabled()) == before


def test_altered_weights_are_told_from_those_that_the_configuration_names(tmp_path):
    network, _ = pretrain(tmp_path / "checkpoints")
    PretrainedEncoderDataset(filepath=str(tmp_path / "encoder")).save(network.esm)
    file = tmp_path / "encoder/model.safetensors"
    weights = load_file(file)
    name = next(name for name in weights if name.endswith("word_embeddings.weight"))
    weights[name][5, 0] += 0.25
    save_file(weights, file, metadata={"format": "pt"})
    with pytest.raises(InputError, match=r"were altered; restore .* or delete esm2_amp_fingerprint"):
        load_encoder(str(tmp_path / "encoder"))
