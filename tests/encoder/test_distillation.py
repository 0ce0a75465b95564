import math

import numpy as np
import pytest
import torch
from torch.nn import functional as F
from transformers import EsmForMaskedLM

from esm2_amp.encoder.distillation import DistillationData, DistilledLanguageModel, Objective, packed_batch
from esm2_amp.encoder.loading import Encoder
from esm2_amp.encoder.pretraining import IGNORED, Corpus, MaskedCrops, small_esm2_config
from esm2_amp.encoder.pretraining_fit import fit_language_model
from esm2_amp.encoder.teacher import ComputedStates
from esm2_amp.encoder.tokens import EOS, MASK
from esm2_amp.encoder.weights import EsmWeights
from esm2_amp.protein import STANDARD_RESIDUES

RNG = np.random.default_rng(0)
SEQUENCES = ["".join(RNG.choice(list(STANDARD_RESIDUES), size=size)) for size in RNG.integers(20, 100, size=120)]
TRAINING, HELD_OUT = Corpus.from_sequences(SEQUENCES[20:]), Corpus.from_sequences(SEQUENCES[:20])
OPTIONS = {"steps_per_epoch": 4, "batch_size": 4, "crop_length": 40, "masked_fraction": 0.15, "seed": 4}
SCHEDULE = {"learning_rate": 3e-3, "weight_decay": 0.01, "warmup_steps": 3, "total_steps": 16, "seed": 4}


def random_teacher(seed=0):
    torch.manual_seed(seed)
    model = EsmForMaskedLM(small_esm2_config(layers=1, width=24, heads=2))
    for name, weight in model.named_parameters():
        torch.nn.init.normal_(weight, 1.0 if name.endswith("orm.weight") else 0.0, 0.2)
    return ComputedStates(Encoder(EsmWeights.from_model(model.esm), "teacher"), torch.device("cpu"), torch.float32)


def student(teacher, objective=Objective(2.0, 3.0), **schedule):  # noqa: B008
    return DistilledLanguageModel(
        small_esm2_config(layers=1, width=16, heads=2), teacher, objective, **SCHEDULE | schedule
    )


def batch_of(teacher, seed=0, masked_fraction=0.3):
    generator = np.random.default_rng(seed)
    places = [TRAINING.place(protein, 40, generator) for protein in (3, 8, 1)]
    return places, packed_batch(TRAINING, places, teacher, generator, masked_fraction)


def test_a_packed_batch_is_of_the_crops_that_masked_crops_draws():
    teacher, options = random_teacher(), {name: OPTIONS[name] for name in ("batch_size", "crop_length", "seed")}
    drawn = next(iter(MaskedCrops(TRAINING, range(7, 8), masked_fraction=0.15, **options)))
    data = DistillationData(TRAINING, HELD_OUT, teacher, **OPTIONS)
    data.epoch_steps = lambda: range(7, 8)
    packed = next(iter(data.train_dataloader()))
    sizes = drawn["attention_mask"].sum(1).tolist()
    assert sorted(packed["sizes"]) == sorted(sizes)
    assert packed["sizes"] == sorted(sizes, reverse=True)
    whole = [torch.where(batch["labels"] == IGNORED, batch["input_ids"], batch["labels"]) for batch in (drawn, packed)]
    padded = sorted(row[:size].tolist() for row, size in zip(whole[0], sizes, strict=True))
    assert padded == sorted(crop.tolist() for crop in whole[1].split(packed["sizes"]))


def test_the_teacher_reads_each_residue_whether_masked_or_not():
    teacher = random_teacher()
    places, batch = batch_of(teacher)
    assert (batch["input_ids"] == MASK).sum() > 10
    ordered = sorted(places, key=lambda place: place.start - place.stop)
    expected = torch.cat([teacher(TRAINING, [place]) for place in ordered])
    torch.testing.assert_close(batch["states"], expected, atol=1e-5, rtol=0)
    assert not (batch["input_ids"][batch["labels"] != IGNORED] <= EOS).any()


def loss_by_hand(model, batch):
    """Crop by crop, by transformers."""
    network, distances, means, language = model.network, [], [], []
    parts = zip(*(batch[name].split(batch["sizes"]) for name in ("input_ids", "labels", "states")), strict=True)
    for tokens, labels, states in parts:
        hidden = network.esm(tokens[None]).last_hidden_state[0]
        mapped = model.map(hidden)
        if model.objective.normalised:
            mapped = (mapped - mapped.mean(1, keepdim=True)) / (mapped.var(1, keepdim=True, correction=0) + 1e-5).sqrt()
        distances += ((mapped - states) ** 2).mean(1)[tokens != MASK].tolist()
        means.append(float(((mapped - states).mean(0) ** 2).mean()))
        language += F.cross_entropy(network.lm_head(hidden), labels, ignore_index=IGNORED, reduction="none")[
            labels != IGNORED
        ].tolist()
    return np.mean(language) + 2 * np.mean(distances) + 3 * np.mean(means)


@pytest.mark.parametrize("is_normalised", [True, False])
def test_loss_is_that_of_the_crops_one_by_one(is_normalised):
    teacher = random_teacher()
    _, batch = batch_of(teacher)
    model = student(teacher, Objective(2.0, 3.0, is_normalised))
    assert float(model.training_step(batch)) == pytest.approx(loss_by_hand(model, batch), rel=1e-4)


def test_the_teachers_state_of_a_masked_residue_is_not_asked_for():
    teacher = random_teacher()
    _, batch = batch_of(teacher)
    model = student(teacher, Objective(2.0, 0.0))
    before, masked = float(model.training_step(batch)), batch["input_ids"] == MASK
    batch["states"][masked] += 5
    assert float(model.training_step(batch)) == before
    batch["states"][~masked] += 5
    assert float(model.training_step(batch)) > before + 1


def gradients(objective):
    teacher = random_teacher()
    model = student(teacher, objective)
    model.training_step(batch_of(teacher)[1]).backward()
    return {name: weight.grad for name, weight in model.named_parameters() if weight.grad is not None}


def test_gradients_of_the_distance_reach_every_weight_of_the_encoder_and_the_map():
    language, both = gradients(Objective(0.0, 0.0)), gradients(Objective(1.0, 0.0))
    still = {name for name in both if torch.allclose(both[name], language[name], atol=1e-7, rtol=0)}
    of_language = {name for name in both if name.startswith("network.lm_head.")}
    assert still - {"network.esm.encoder.layer.0.attention.self.key.bias"} == of_language  # softmax cancels that bias
    without = {"network.esm.contact_head.regression.weight", "network.esm.contact_head.regression.bias"}
    assert {name for name, _ in student(random_teacher()).named_parameters()} - both.keys() == without


class Killed(BaseException):
    """Ends a fit as a signal would, unseen by `except Exception`."""


class StopAt(DistillationData):
    """Data that give out with an epoch."""

    epoch = 2

    def train_dataloader(self):
        if self.trainer.current_epoch == self.epoch:
            raise Killed
        return super().train_dataloader()


def distil(folder, data_class=DistillationData, teacher=None, objective=Objective(2.0, 3.0), epochs=4, **schedule):  # noqa: B008
    teacher = teacher or random_teacher()
    model = student(teacher, objective, total_steps=4 * epochs, **schedule)
    data = data_class(TRAINING, HELD_OUT, teacher, **OPTIONS)
    record = fit_language_model(
        model, data, epochs=epochs, precision="32-true", gradient_clip=10.0, folder=folder, device="cpu"
    )
    return model, record


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
def test_an_interrupted_distillation_goes_on_as_if_undisturbed(tmp_path, optimizer):
    expected, expected_record = distil(tmp_path / "undisturbed", optimizer=optimizer)
    with pytest.raises(Killed):
        distil(tmp_path / "resumed", StopAt, optimizer=optimizer)
    assert torch.load(tmp_path / "resumed/last.ckpt", weights_only=False)["epoch"] == StopAt.epoch - 1
    model, record = distil(tmp_path / "resumed", optimizer=optimizer)
    assert record.equals(expected_record)
    assert all(map(torch.equal, model.state_dict().values(), expected.state_dict().values()))


@pytest.mark.parametrize(
    "changed", [{"teacher": random_teacher(1)}, {"objective": Objective(2.0, 4.0)}, {"optimizer": "muon"}]
)
def test_an_unfinished_distillation_of_something_else_is_not_gone_on_with(tmp_path, changed):
    with pytest.raises(Killed):
        distil(tmp_path / "changed", StopAt)
    _, record = distil(tmp_path / "changed", **changed)
    assert record.equals(distil(tmp_path / "fresh", **changed)[1])


def test_the_student_comes_near_its_teacher(tmp_path):
    _, record = distil(tmp_path, epochs=40, optimizer="muon")
    of_constant = 1 - record["held_out_constant_cosine"].iloc[-1]
    assert 1 - record["held_out_cosine"].iloc[0] > of_constant
    assert 1 - record["held_out_cosine"].iloc[-1] < 0.6 * of_constant
    assert record["training_distance"].iloc[-1] < 0.5 * record["training_distance"].iloc[0]
    assert record["training_mean_distance"].iloc[-1] < 0.5 * record["training_mean_distance"].iloc[0]


@torch.no_grad()
def test_record_is_of_held_out_proteins_read_without_masks(tmp_path):
    teacher = random_teacher()
    model, record = distil(tmp_path, teacher=teacher)
    assert record["epoch"].tolist() == [1, 2, 3, 4]
    batches = list(DistillationData(TRAINING, HELD_OUT, teacher, **OPTIONS).val_dataloader())
    cosines, losses, states = [], [], torch.cat([batch["states"] for batch in batches])
    for batch in batches:
        for tokens, labels, wanted in zip(
            *(batch[name].split(batch["sizes"]) for name in ("input_ids", "labels", "states")), strict=True
        ):
            whole = torch.where(labels == IGNORED, tokens, labels)
            mapped = model.map(model.network.esm(whole[None]).last_hidden_state[0])
            cosines += F.cosine_similarity(mapped - mapped.mean(1, keepdim=True), wanted).tolist()
            logits = model.network.lm_head(model.network.esm(tokens[None]).last_hidden_state[0])
            losses += F.cross_entropy(logits, labels, ignore_index=IGNORED, reduction="none")[
                labels != IGNORED
            ].tolist()
    last = record.iloc[-1]
    assert last["held_out_cosine"] == pytest.approx(np.mean(cosines), abs=1e-5)
    assert last["held_out_perplexity"] == pytest.approx(math.exp(np.mean(losses)), rel=1e-4)
    constant = F.cosine_similarity(states.mean(0)[None], states).mean()
    assert last["held_out_constant_cosine"] == pytest.approx(float(constant), abs=1e-5)
