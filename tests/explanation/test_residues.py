"""Residue attributions against finite differences through the network, on the tiny encoder of the golden values."""

import hashlib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from esm2_amp.encoder.embedding import embed, visit_states
from esm2_amp.encoder.loading import Encoder, load_encoder
from esm2_amp.errors import InputError
from esm2_amp.explanation.gradients import integrated_gradients, mean_pair
from esm2_amp.explanation.residues import (
    ResidueSource,
    residue_attributions,
    smoothed,
    spread_evenly,
    token_residues,
)
from esm2_amp.features import ProteinFeatures
from esm2_amp.models.ae_dnn import AEDNN
from esm2_amp.models.registry import MODELS, build_network
from esm2_amp.pairs import Pairs
from esm2_amp.parameters.feature_extraction import EmbeddingParameters
from esm2_amp.parameters.interpretability import GradientParameters
from esm2_amp.protein import TOKENS

GOLDEN = Path(__file__).parents[1] / "data/golden"
CPU = torch.device("cpu")
STEPS = 24
PATH = GradientParameters(steps=STEPS, internal_batch=64, tolerance=0.01, share=0.0, max_steps=STEPS)
LENGTHS = {"P1": 23, "P2": 40, "P3": 57, "P4": 7, "P5": 130}
PAIRS = pd.DataFrame({"Protein1": ["P1", "P3", "P2", "P2", "P5"], "Protein2": ["P2", "P1", "P2", "P4", "P3"]})


def options_of(**changed) -> EmbeddingParameters:
    given = {"precision": "float32", "tokens_per_batch": 100, "whole_up_to": 99, "window": 40, "overlap": 15}
    return EmbeddingParameters(**given | changed)


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return load_encoder(str(GOLDEN / "esm2_tiny"))


@pytest.fixture(scope="module")
def sequences() -> dict[str, str]:
    generator = np.random.default_rng(7)
    return {entry: "".join(generator.choice(list("ACDEFGHIKLMNPQRSTVWY"), length)) for entry, length in LENGTHS.items()}


class Vectors:
    """The vectors of the proteins, as stored features have them."""

    def __init__(self, encoder, sequences, dtype=torch.float32):
        self.entries = list(sequences)
        self.features = embed(encoder, list(sequences.values()), options_of(), CPU).to(dtype)

    def select(self, tokens, rows=None):
        return self.features[rows][:, tokens]


def network_of(name: str, width: int = 32):
    torch.manual_seed(4)
    sizes = {"h1": 12, "h2": 8} | ({"h3": 6} if name in ("ESM2_DPM", "ESM2_SIAM") else {})
    if name in ("ESM2_AMPS", "ESM2_AMP_CSE"):
        sizes |= {"layers": 1, "heads": 2, "feed_forward": 24}
    return build_network(MODELS[name].config(architecture=name, **sizes), width).eval()


class Explained:
    """Pairs explained by tokens, and what splitting them among residues needs."""

    def __init__(self, name, encoder, sequences, dtype=torch.float32, **options):
        self.network, self.sequences = network_of(name), sequences
        self.pairs = Pairs.of(Vectors(encoder, sequences, dtype), PAIRS, self.network.protein_tokens)
        self.baseline = mean_pair(self.pairs) + 0.1
        self.source = ResidueSource(sequences, encoder, options_of(**options), CPU)
        self.tokens = integrated_gradients(
            self.network, self.pairs, baseline=self.baseline, parameters=PATH, device=CPU, keep_gradient=True
        )

    def residues(self):
        return residue_attributions(self.tokens, PAIRS, self.pairs, self.baseline, self.network, self.source)


@pytest.fixture(scope="module", params=list(MODELS))
def explained(request, encoder, sequences) -> Explained:
    return Explained(request.param, encoder, sequences)


def states_of(encoder, sequence):
    found = {}
    visit_states(encoder, [sequence], options_of(), CPU, lambda _, states: found.update(states=states.double().clone()))
    return found["states"][1:-1]


def tokens_of(states, vectors, protein_tokens):
    """The tokens of a protein from the states of its residues; those without residues stay as they are."""
    tokens = vectors.double().clone()
    for number, residues in enumerate(token_residues(protein_tokens, len(states))):
        if residues.start < residues.stop:
            tokens[number] = states[residues].mean(dim=0)
    return tokens


def test_residues_have_the_path_integral_of_finite_differences(explained, encoder):
    """Move the state of one residue along its way from the baseline, everywhere on the pair's own way, and add up."""
    network, found = explained.network.double(), explained.residues()
    pair, side = 1, 0
    sequence = explained.sequences[PAIRS["Protein1"][pair]]
    states, vectors = states_of(encoder, sequence), explained.pairs.table[explained.pairs.a[pair]]
    other = explained.pairs.table[explained.pairs.b[pair]].double()
    baseline = explained.baseline.double()
    residues = token_residues(network.protein_tokens, len(states))
    points, weights = np.polynomial.legendre.leggauss(STEPS)

    def logit(moved, alpha):
        pair_tokens = torch.cat([tokens_of(moved, vectors, network.protein_tokens), other])
        return network((baseline + alpha * (pair_tokens - baseline))[None]).item()

    with torch.no_grad():
        for residue in (0, 11, len(states) - 1):
            token = next(t for t, within in enumerate(residues) if within.start <= residue < within.stop)
            direction = torch.zeros_like(states)
            direction[residue] = states[residue] - baseline[token]
            step, total = 1e-4, 0.0
            for point, weight in zip((points + 1) / 2, weights / 2, strict=True):
                rise = logit(states + step * direction, point) - logit(states - step * direction, point)
                total += weight * rise / (2 * step * point)  # the tokens were moved by alpha times the step
            assert found.values[pair][side][residue] == pytest.approx(total, rel=2e-3, abs=1e-6)
    network.float()


def test_residues_add_up_to_tokens_and_to_the_logit(explained):
    found, of_tokens = explained.residues(), explained.tokens.attribution.sum(axis=2)
    half = of_tokens.shape[1] // 2
    for pair, profiles in enumerate(found.values):
        for side, (profile, entry) in enumerate(zip(profiles, PAIRS.iloc[pair], strict=True)):
            residues = token_residues(explained.network.protein_tokens, LENGTHS[entry])
            for token, within in enumerate(residues, start=side * half):
                expected = of_tokens[pair, token] - found.own[pair, token]
                assert profile[within].sum() == pytest.approx(expected, abs=1e-5)
        added = sum(profile.sum() for profile in profiles) + found.own[pair].sum()
        difference = float(explained.tokens.logit[pair]) - explained.tokens.baseline_logit
        assert added == pytest.approx(difference + explained.tokens.delta[pair], abs=1e-5)  # the integral's own error
    assert found.error.max() < 1e-4


def test_tokens_without_residues_keep_their_part(explained):
    found, names = explained.residues(), TOKENS[explained.network.protein_tokens] * 2
    keeps_own = np.array([[name in ("cls", "eos") for name in names]] * len(PAIRS))
    for pair, side in ((3, 1),):  # P4 has 7 residues, and so three segments without any
        half = len(names) // 2
        for token, name in enumerate(names[:half]):
            if name in ("segment7", "segment8", "segment9"):
                keeps_own[pair, side * half + token] = True
    of_tokens = explained.tokens.attribution.sum(axis=2)
    np.testing.assert_allclose(found.own, np.where(keeps_own, of_tokens, 0), atol=1e-6)


@pytest.mark.parametrize("tokens_per_batch", [1, 40, 10_000])
def test_batches_and_packing_change_nothing(encoder, sequences, tokens_per_batch):
    usual = Explained("ESM2_AMP_CSE", encoder, sequences).residues()
    others = Explained("ESM2_AMP_CSE", encoder, sequences, tokens_per_batch=tokens_per_batch).residues()
    for profiles, again in zip(usual.values, others.values, strict=True):
        for side in (0, 1):
            np.testing.assert_allclose(profiles[side], again[side], atol=1e-6)


def test_a_protein_paired_with_itself_has_each_side_of_its_own(encoder, sequences):
    explained = Explained("ESM2_DPM", encoder, sequences)  # tells A from B
    of_a, of_b = explained.residues().values[2]
    assert np.abs(of_a - of_b).max() > 1e-3
    of_tokens = explained.tokens.attribution.sum(axis=2)[2]
    np.testing.assert_allclose([of_a.sum(), of_b.sum()], of_tokens, atol=1e-5)


def test_vectors_stored_with_half_the_digits_add_up_all_the_same(encoder, sequences):
    found = Explained("ESM2_AMPS", encoder, sequences, torch.float16).residues()
    assert found.error.max() < 1e-4
    assert 1e-5 < found.rounding.max() < 2e-3
    summary = found.summary()
    assert summary["share_within_tolerance"] == 1
    assert summary["residues"] == sum(LENGTHS[entry] for entry in PAIRS.to_numpy().ravel())


def test_windows_of_long_proteins_are_those_of_the_features(encoder, sequences):
    explained = Explained("ESM2_AMPS", encoder, sequences, whole_up_to=1000)
    with pytest.raises(InputError, match=r"The vectors of 'P5' must be the means of its residues' states, but differ"):
        explained.residues()


def test_vectors_of_another_sequence_are_refused(encoder, sequences):
    explained = Explained("ESM2_AMPS", encoder, sequences)
    explained.source = explained.source._replace(sequences=sequences | {"P1": sequences["P1"][::-1]})
    with pytest.raises(InputError, match=r"vectors of 'P1' .*another sequence or encoder"):
        explained.residues()


def test_protein_without_sequence(encoder, sequences):
    explained = Explained("ESM2_AMPS", encoder, sequences)
    known = {entry: sequence for entry, sequence in sequences.items() if entry != "P3"}
    explained.source = explained.source._replace(sequences=known)
    with pytest.raises(InputError, match=r"'P3' has none \(1 such proteins\); .*segments doesn't need them"):
        explained.residues()


def test_network_of_latents_is_refused(encoder, sequences):
    explained = Explained("ESM2_AMPS", encoder, sequences)
    explained.network = AEDNN(4, 3, 2)
    with pytest.raises(InputError, match=r"reads the vectors of proteins .* but AEDNN reads others"):
        explained.residues()


def features_of(esm, sequences, **changed) -> ProteinFeatures:
    keys = [hashlib.sha256(sequence.encode()).hexdigest() for sequence in sequences.values()]
    index = pd.DataFrame({"Entry": list(sequences), "key": keys})
    given = options_of().model_dump(exclude={"tokens_per_batch"}) | {"stored_as": "float32"}
    provenance = {"encoder": "there", "fingerprint": esm.fingerprint, "options": given}
    return ProteinFeatures(index, Path(), esm.width, provenance | changed)


def proteins_of(sequences) -> pd.DataFrame:
    return pd.DataFrame({"Entry": list(sequences), "Sequence": list(sequences.values())})


def test_source_has_the_options_of_the_features(encoder, sequences):
    source = ResidueSource.of(features_of(encoder, sequences), proteins_of(sequences), encoder, CPU)
    assert source.options == options_of(tokens_per_batch=None)
    assert source.of_entries(["P4", "P1"]) == [sequences["P4"], sequences["P1"]]


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"encoder": "imported"}, r"these were imported; give the sequences .* explanation of segments stays as it is"),
        ({"fingerprint": "0"}, r"come from the encoder there, but .*esm2_tiny has other weights; give .*encoder=there"),
    ],
)
def test_features_of_no_or_of_another_encoder(encoder, sequences, changed, words):
    with pytest.raises(InputError, match=words):
        ResidueSource.of(features_of(encoder, sequences, **changed), proteins_of(sequences), encoder, CPU)


def test_features_of_another_version_of_a_sequence(encoder, sequences):
    now = proteins_of(sequences | {"P2": sequences["P2"][:-1]})
    with pytest.raises(InputError, match="'P2' has another sequence now than its features were computed from"):
        ResidueSource.of(features_of(encoder, sequences), now, encoder, CPU)


def test_attributions_without_gradients_are_a_mistake_in_the_code(encoder, sequences):
    explained = Explained("ESM2_AMPS", encoder, sequences)
    explained.tokens = explained.tokens._replace(gradient=None)
    with pytest.raises(ValueError, match="keep_gradient=True"):
        explained.residues()


@pytest.mark.parametrize("name", list(MODELS))
def test_spread_weights_are_even_within_a_token_and_add_up(name):
    tokens = MODELS[name].network.protein_tokens
    names = TOKENS[tokens]
    weights = np.random.default_rng(1).random((2, 2 * len(names)))
    for row, profiles in enumerate(spread_evenly(weights, tokens, [23, 40], [57, 130])):
        for side, profile in enumerate(profiles):
            of_side = weights[row].reshape(2, -1)[side]
            assert profile.sum() == pytest.approx(sum(of_side[[name not in ("cls", "eos") for name in names]]))
            for weight, residues in zip(of_side, token_residues(tokens, len(profile)), strict=True):
                if residues.start < residues.stop:
                    np.testing.assert_allclose(profile[residues], weight / (residues.stop - residues.start))


@given(st.lists(st.floats(-10, 10), min_size=1, max_size=30), st.integers(1, 40))
def test_smoothed_values_are_means_of_the_neighbours_that_there_are(values, width):
    expected = []
    for place in range(len(values)):
        neighbours = range(place - width // 2, place - width // 2 + width)
        expected.append(np.mean([values[i] for i in neighbours if 0 <= i < len(values)]))
    np.testing.assert_allclose(smoothed(values, width), expected, atol=1e-9)
