"""Gradients of adapters and network against finite differences, and against those of other ways to the same loss."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from torch.nn.functional import binary_cross_entropy_with_logits
from tuning import ALL_MAPS, WINDOWS, random_sequences, settings_of, tuner_of

from esm2_amp.encoder.tokens import CLS, EOS, encode
from esm2_amp.finetuning.tuner import EncoderTuner
from esm2_amp.protein import segment_bounds

LENGTHS = [13, 22, 7, 30, 18, 41]
"""The fourth and the last are read in windows, the third has segments without residues."""

PAIRS = torch.tensor([0, 1, 2, 3, 4, 0]), torch.tensor([1, 5, 3, 4, 4, 2]), torch.tensor([1.0, 0, 1, 0, 0, 1])
SEQUENCES = random_sequences(LENGTHS)
STEP = 1e-5


def loss_by_transformers(tuner: EncoderTuner) -> float:
    """The mean loss, each protein and window embedded alone by transformers and pooled residue by residue."""
    with torch.no_grad():
        table = torch.stack([vectors_by_transformers(tuner, sequence) for sequence in SEQUENCES])
        a, b, label = PAIRS
        tokens = torch.cat([table[a], table[b]], dim=1)
        return float(binary_cross_entropy_with_logits(tuner.network(tokens), label.double()))


def vectors_by_transformers(tuner: EncoderTuner, sequence: str) -> torch.Tensor:
    esm, length = tuner.encoder.adapted.get_base_model(), len(sequence)
    tokens = encode(sequence)[1:-1].astype(np.int64)
    starts = WINDOWS.window_starts(length)
    size = length if len(starts) == 1 else WINDOWS.window
    of_residue, first = [[] for _ in sequence], None
    for start in starts:
        window = torch.from_numpy(np.r_[CLS, tokens[start : start + size], EOS])
        states = esm(window[None]).last_hidden_state[0]
        first, eos = states[0] if start == 0 else first, states[-1]
        for place in range(size):
            of_residue[start + place].append(states[1 + place])
    residues = torch.stack([torch.stack(states).mean(0) for states in of_residue])
    bounds = segment_bounds(length)
    segments = [residues[i:j].mean(0) if j > i else torch.zeros_like(eos) for i, j in pairwise(bounds)]
    return torch.stack([first, *segments, eos, residues.mean(0)])[tuner.network.protein_tokens]


def gradients(tuner: EncoderTuner, step: int = 0) -> dict[str, torch.Tensor]:
    tuner.zero_grad()
    tuner._accumulate(PAIRS, step)
    return {name: weight.grad.clone() for name, weight in tuner.named_parameters() if weight.requires_grad}


def differences(tuner: EncoderTuner, loss, per_weight: int = 2):
    """Entries of weights, and the finite differences of a loss by them."""
    rng = np.random.default_rng(0)
    for name, weight in tuner.named_parameters():
        if not weight.requires_grad:
            continue
        for at in rng.choice(weight.numel(), min(per_weight, weight.numel()), replace=False):
            entry = weight.data.view(-1)
            before = entry[at].item()
            values = []
            for moved in (before + STEP, before - STEP):
                entry[at] = moved
                values.append(loss(tuner))
            entry[at] = before
            yield name, at, (values[0] - values[1]) / (2 * STEP)


def loss_of_validation(tuner: EncoderTuner) -> float:
    """The mean loss by the forward pass that validation takes, which is double precision throughout."""
    a, b, label = PAIRS
    with torch.no_grad():
        logit = tuner._logits(tuner.protein_vectors(torch.arange(len(SEQUENCES))), a, b)
        return float(binary_cross_entropy_with_logits(logit, label.double()))


@pytest.mark.parametrize("name", ["ESM2_DPM", "ESM2_AMPS"])
@pytest.mark.parametrize("modules", ["value", ALL_MAPS])
def test_loss_is_that_of_transformers_residue_by_residue(name, modules):
    tuner = tuner_of(SEQUENCES, settings_of(modules=modules), name)
    # rotated in single precision there
    assert loss_of_validation(tuner) == pytest.approx(loss_by_transformers(tuner), rel=1e-6)
    assert kept_loss(tuner) == pytest.approx(loss_of_validation(tuner), rel=1e-12)


@pytest.mark.parametrize(
    ("name", "changed"),
    [
        ("ESM2_DPM", {"tokens_at_once": 1000}),
        ("ESM2_AMPS", {"tokens_at_once": 45, "modules": ALL_MAPS}),
        ("ESM2_AMPS", {"tokens_at_once": 45, "recompute": True, "layers": 1}),
    ],
    ids=["one part", "parts, all maps", "parts, recomputed, one layer"],
)
def test_gradients_are_finite_differences(name, changed):
    tuner = tuner_of(SEQUENCES, settings_of(**changed), name)
    found = gradients(tuner)
    for weight, at, expected in differences(tuner, loss_of_validation):
        assert found[weight].view(-1)[at].item() == pytest.approx(expected, rel=1e-4, abs=1e-8), weight
    adapters = [gradient for name, gradient in found.items() if "lora" in name]
    assert len(adapters) == 2 * (1 if changed.get("layers") else 2) * (6 if "modules" in changed else 3)
    assert all(gradient.abs().max() > 1e-6 for gradient in adapters)


def kept_loss(tuner: EncoderTuner) -> float:
    """The loss of the training step itself, whatever dropout it draws."""
    tuner._accumulate(PAIRS, 7)
    logit, label = tuner._outcomes["training"].take()
    return float(binary_cross_entropy_with_logits(logit, label.double()))


@pytest.mark.parametrize("recompute", [False, True])
def test_dropout_is_the_same_in_both_passes_over_a_part(recompute):
    tuner = tuner_of(SEQUENCES, settings_of(tokens_at_once=45, dropout=0.4, recompute=recompute))
    found = gradients(tuner, 7)
    tuner._outcomes["training"].take()
    for weight, at, expected in differences(tuner, kept_loss, per_weight=1):
        assert found[weight].view(-1)[at].item() == pytest.approx(expected, rel=1e-4, abs=1e-8), weight


def test_dropout_differs_between_steps_and_leaves_the_random_state_alone():
    tuner = tuner_of(SEQUENCES, settings_of(tokens_at_once=45, dropout=0.4))
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    first, second = gradients(tuner, 0), gradients(tuner, 1)
    assert torch.equal(torch.rand(2), expected)
    assert any(not torch.allclose(first[name], second[name]) for name in first)


@pytest.mark.parametrize("changed", [{"tokens_at_once": 45}, {"tokens_at_once": 45, "recompute": True}])
def test_parts_and_recomputation_change_no_gradient(changed):
    whole = gradients(tuner_of(SEQUENCES, settings_of(tokens_at_once=1000), "ESM2_AMPS"))
    parts = gradients(tuner_of(SEQUENCES, settings_of(**changed), "ESM2_AMPS", micro_batch_size=2))
    for name in whole:
        torch.testing.assert_close(parts[name], whole[name], atol=1e-9, rtol=1e-7, msg=name)


def test_mixed_precision_gives_every_part_its_gradients():
    tuner = tuner_of(SEQUENCES, settings_of(tokens_at_once=45)).float()
    exact = gradients(tuner)
    with torch.autocast("cpu", torch.bfloat16):
        mixed = gradients(tuner)
    for name, expected in exact.items():
        cosine = torch.nn.functional.cosine_similarity(mixed[name].flatten(), expected.flatten(), dim=0)
        assert cosine > 0.97, name


def test_a_protein_is_embedded_once_a_step_however_many_pairs_it_is_in(monkeypatch):
    tuner, seen = tuner_of(SEQUENCES, settings_of(tokens_at_once=1000)), []
    forward = tuner.encoder.forward
    monkeypatch.setattr(tuner.encoder, "forward", lambda part: (seen.extend(part.sizes), forward(part))[1])
    pairs = torch.tensor([0, 0, 0, 1]), torch.tensor([1, 2, 4, 0]), torch.tensor([1.0, 0, 1, 0])
    tuner._accumulate(pairs, 0)
    assert sorted(seen) == sorted(LENGTHS[row] + 2 for row in (0, 1, 2, 4))


def test_weights_of_the_encoder_itself_have_no_gradients():
    tuner = tuner_of(SEQUENCES, settings_of())
    tuner._accumulate(PAIRS, 0)
    trained = {name for name, weight in tuner.named_parameters() if weight.grad is not None}
    assert trained == {name for name, _ in tuner.named_parameters() if "lora" in name or name.startswith("network.")}
