"""The scan by changed sequences against changing and embedding each one by hand."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from esm2_amp.encoder.embedding import embed, embed_tokens
from esm2_amp.encoder.loading import Encoder, load_encoder
from esm2_amp.encoder.tokens import MASK, VOCABULARY, encode
from esm2_amp.errors import InputError
from esm2_amp.explanation import mutation_scan as module
from esm2_amp.explanation.changed_sequences import SequenceScorer
from esm2_amp.explanation.mutation_scan import ScanStore, mutation_scan, of_residues, scan_some, scannable
from esm2_amp.explanation.rescoring import Rescorer
from esm2_amp.explanation.residues import ResidueSource
from esm2_amp.models.registry import MODELS, build_network
from esm2_amp.pairs import Pairs
from esm2_amp.parameters.feature_extraction import EmbeddingParameters
from esm2_amp.parameters.interpretability import ScanParameters
from esm2_amp.protein import AMINO_ACID_PERCENT, window_starts

GOLDEN = Path(__file__).parents[1] / "data/golden"
CPU = torch.device("cpu")
OPTIONS = EmbeddingParameters(precision="float32", tokens_per_batch=200, whole_up_to=50, window=40, overlap=15)
PAIRS = pd.DataFrame({"Protein1": ["P1", "P3", "P2"], "Protein2": ["P2", "P1", "P2"]})


def scan_of(**changed) -> ScanParameters:
    return ScanParameters(**({"window": 4, "step": 3, "replace_by": "mask", "draws": 1} | changed))


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return load_encoder(str(GOLDEN / "esm2_tiny"))


@pytest.fixture(scope="module")
def sequences() -> dict[str, str]:
    generator = np.random.default_rng(7)
    lengths = {"P1": 23, "P2": 31, "P3": 57}
    return {entry: "".join(generator.choice(list("ACDEFGHIKLMNPQRSTVWY"), length)) for entry, length in lengths.items()}


def network_of(name):
    torch.manual_seed(4)
    sizes = {"h1": 12, "h2": 8} | ({"h3": 6} if name in ("ESM2_DPM", "ESM2_SIAM") else {})
    if name in ("ESM2_AMPS", "ESM2_AMP_CSE"):
        sizes |= {"layers": 1, "heads": 2, "feed_forward": 24}
    return build_network(MODELS[name].config(architecture=name, **sizes), 32).eval()


class Vectors:
    def __init__(self, encoder, sequences):
        self.entries, self.features = list(sequences), embed(encoder, list(sequences.values()), OPTIONS, CPU)

    def select(self, tokens, rows=None):
        return self.features[rows][:, tokens]


def rescorer_of(name, encoder, sequences, pairs=PAIRS, batch_size=50) -> Rescorer:
    network = network_of(name)
    of_network = Pairs.of(Vectors(encoder, sequences), pairs, network.protein_tokens)
    return Rescorer.of(network, pairs, of_network, ResidueSource(sequences, encoder, OPTIONS, CPU), batch_size)


@torch.no_grad()
def falls_by_hand(network, encoder, sequences, pair, side, window, step):
    """For each residue the mean fall over the windows that hold it, each masked, embedded and scored alone."""
    names = PAIRS.iloc[pair].tolist()
    vectors = [embed(encoder, [sequences[name]], OPTIONS, CPU)[0] for name in names]

    def logit(changed):
        both = [changed if number == side else vectors[number] for number in (0, 1)]
        return network(torch.cat([part[network.protein_tokens] for part in both])[None]).item()

    tokens, falls = encode(sequences[names[side]]), [[] for _ in sequences[names[side]]]
    for start in window_starts(len(falls), window, window - step):
        masked = tokens.copy()
        masked[start + 1 : start + 1 + window] = MASK
        fall = logit(vectors[side]) - logit(embed_tokens(encoder, [masked], OPTIONS, CPU)[0])
        for residue in range(start, start + window):
            falls[residue].append(fall)
    return [np.mean(of_residue) for of_residue in falls]


@pytest.mark.parametrize("name", ["ESM2_AMP_CSE", "ESM2_DPM"])
@pytest.mark.parametrize(("window", "step"), [(4, 3), (1, 1), (22, 22)])
def test_effect_is_the_mean_fall_over_the_windows_that_hold_a_residue(name, window, step, encoder, sequences):
    rescorer = rescorer_of(name, encoder, sequences)
    found = mutation_scan(rescorer, scan_of(window=window, step=step), seed=0)
    for pair, side in ((0, 0), (0, 1), (1, 0), (2, 1)):
        expected = falls_by_hand(rescorer.network, encoder, sequences, pair, side, window, step)
        np.testing.assert_allclose(found[pair][side], expected, atol=1e-5)


@pytest.mark.parametrize("at_once", [1, 5])
def test_batches_change_nothing(at_once, encoder, sequences, monkeypatch):
    usual = mutation_scan(rescorer_of("ESM2_AMPS", encoder, sequences), scan_of(), seed=0)
    monkeypatch.setattr(module, "_AT_ONCE", at_once)
    again = mutation_scan(rescorer_of("ESM2_AMPS", encoder, sequences, batch_size=3), scan_of(), seed=0)
    for pair, profiles in enumerate(usual):
        for side in (0, 1):
            np.testing.assert_allclose(profiles[side], again[pair][side], atol=1e-5)


def test_background_is_drawn_by_the_seed_whatever_proteins_stand_before(encoder, sequences):
    drawn = scan_of(replace_by="background", draws=3)
    first, again, other = (
        mutation_scan(rescorer_of("ESM2_AMPS", encoder, sequences), drawn, seed=seed) for seed in (1, 1, 2)
    )
    alone = mutation_scan(rescorer_of("ESM2_AMPS", encoder, sequences, PAIRS[1:2]), drawn, seed=1)
    np.testing.assert_array_equal(first[1][0], again[1][0])
    np.testing.assert_allclose(alone[0][0], first[1][0], atol=1e-5)
    assert np.abs(first[1][0] - other[1][0]).max() > 1e-4


def test_background_has_the_frequencies_of_natural_proteins():
    tokens, drawn = encode("W" * 50), scan_of(window=40, step=40, replace_by="background", draws=600)
    changed = list(module._changed(tokens, [5], drawn, np.random.default_rng(0)))
    assert len(changed) == 600
    letters = np.array([[VOCABULARY[token] for token in one[1:-1]] for one in changed])
    assert set(letters[:, :5].ravel()) == set(letters[:, 45:].ravel()) == {"W"}
    for letter, percent in AMINO_ACID_PERCENT.items():
        assert 100 * np.mean(letters[:, 5:45] == letter) == pytest.approx(percent, abs=0.6)


def test_scan_that_was_stopped_goes_on(encoder, sequences, tmp_path, monkeypatch):
    rescorer, store = rescorer_of("ESM2_AMPS", encoder, sequences), ScanStore(tmp_path / "scan")
    expected = mutation_scan(rescorer, scan_of(), seed=0)
    real, embedded = SequenceScorer.vectors, []

    def stopping(self, tokens):
        embedded.append(len(tokens[0]) - 2)
        if len(embedded) == stops_at:
            raise KeyboardInterrupt
        return real(self, tokens)

    monkeypatch.setattr(SequenceScorer, "vectors", stopping)
    stops_at = 3  # in the third protein
    with pytest.raises(KeyboardInterrupt):
        mutation_scan(rescorer, scan_of(), seed=0, store=store)
    embedded.clear()
    stops_at = 0
    found = mutation_scan(rescorer, scan_of(), seed=0, store=store)
    assert set(embedded) == {57}
    embedded.clear()
    mutation_scan(rescorer, scan_of(), seed=0, store=store)
    assert not embedded
    for profiles, again in zip(expected, found, strict=True):
        np.testing.assert_array_equal(np.concatenate(profiles), np.concatenate(again))


def test_scan_of_a_long_protein_goes_on_within_it(encoder, sequences, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_AT_ONCE", 4)
    rescorer, store = rescorer_of("ESM2_AMPS", encoder, sequences), ScanStore(tmp_path)
    expected = mutation_scan(rescorer, scan_of(replace_by="background", draws=2), seed=0, store=store)
    files = sorted(tmp_path.glob("*.npz"))
    for file in files[::2]:
        file.unlink()
    embedded, real = [], SequenceScorer.vectors
    monkeypatch.setattr(
        SequenceScorer, "vectors", lambda self, tokens: embedded.append(len(tokens)) or real(self, tokens)
    )
    found = mutation_scan(rescorer, scan_of(replace_by="background", draws=2), seed=0, store=store)
    assert len(embedded) == len(files[::2])
    assert max(embedded) == 5  # four changed sequences, and the protein as it is
    for profiles, again in zip(expected, found, strict=True):
        np.testing.assert_array_equal(np.concatenate(profiles), np.concatenate(again))


def test_stored_scan_of_other_settings_model_or_partner_is_not_taken(encoder, sequences, tmp_path):
    store, files = ScanStore(tmp_path), set()
    others = sequences | {"P3": sequences["P3"][::-1]}  # a partner of P1
    runs = [
        (rescorer_of("ESM2_AMPS", encoder, sequences), scan_of(), 0),
        (rescorer_of("ESM2_AMPS", encoder, sequences), scan_of(step=2), 0),
        (rescorer_of("ESM2_GRU", encoder, sequences), scan_of(), 0),
        (rescorer_of("ESM2_AMPS", encoder, others), scan_of(), 0),
    ]
    for number, (rescorer, parameters, seed) in enumerate(runs):
        before = len(files)
        found = mutation_scan(rescorer, parameters, seed=seed, store=store)
        files = set(tmp_path.glob("*.npz"))
        assert len(files) - before == (2 if number == 3 else 3)  # P2's partners are the same
        np.testing.assert_array_equal(found[1][1], mutation_scan(rescorer, parameters, seed=seed)[1][1])


def test_damaged_file_of_a_scan_is_computed_anew(encoder, sequences, tmp_path):
    rescorer, store = rescorer_of("ESM2_AMPS", encoder, sequences), ScanStore(tmp_path)
    expected = mutation_scan(rescorer, scan_of(), seed=0, store=store)
    for file in tmp_path.glob("*.npz"):
        file.write_bytes(file.read_bytes()[:90])
    found = mutation_scan(rescorer, scan_of(), seed=0, store=store)
    np.testing.assert_array_equal(found[0][0], expected[0][0])


def test_window_as_long_as_a_protein(encoder, sequences):
    with pytest.raises(InputError, match=r"got 23, but 'P1' has 23 residues \(1 such proteins\); lower it to 22"):
        mutation_scan(rescorer_of("ESM2_AMPS", encoder, sequences), scan_of(window=23), seed=0)


def test_protein_without_sequence(encoder, sequences):
    network = network_of("ESM2_AMPS")
    pairs = Pairs.of(Vectors(encoder, sequences), PAIRS, network.protein_tokens)
    source = ResidueSource({"P1": sequences["P1"]}, encoder, OPTIONS, CPU)
    with pytest.raises(InputError, match=r"'P2' has none \(2 such proteins\)"):
        Rescorer.of(network, PAIRS, pairs, source, 10)


def test_pairs_with_proteins_too_short_or_too_long_cannot_be_scanned():
    lengths = [(9, 30), (10, 30), (30, 31), (31, 10), (31, 32), (10, 9)]
    profiles = [(np.zeros(a), np.zeros(b)) for a, b in lengths]
    assert scannable(profiles, 9, 31).tolist() == [1, 2, 3]
    assert scannable([], 9, 31).tolist() == []


def test_pairs_that_are_not_scanned_have_no_effects(encoder, sequences):
    usual = mutation_scan(rescorer_of("ESM2_AMPS", encoder, sequences), scan_of(), seed=0)
    attribution = [tuple(np.zeros(len(sequences[name])) for name in names) for names in PAIRS.to_numpy()]
    rows = np.array([2, 0])
    found = scan_some(
        rows, attribution, rescorer_of("ESM2_AMPS", encoder, sequences, PAIRS.iloc[rows]), scan_of(), seed=0
    )
    for row in (0, 2):
        for side in (0, 1):
            np.testing.assert_allclose(found[row][side], usual[row][side], atol=1e-5)
    assert [len(values) for values in found[1]] == [len(values) for values in attribution[1]]
    assert all(np.isnan(values).all() for values in found[1])
    none = scan_some(rows[:0], attribution, rescorer_of("ESM2_AMPS", encoder, sequences, PAIRS[:0]), scan_of(), seed=0)
    assert all(np.isnan(values).all() for of_pair in none for values in of_pair)


def test_windows_that_leave_residues_out():
    with pytest.raises(ValidationError, match="step must be at most window, got 5 and 4"):
        scan_of(step=5)


@given(st.data())
def test_mean_over_windows_counts_each_that_holds_a_residue(data):
    length = data.draw(st.integers(1, 40))
    window = data.draw(st.integers(1, length))
    starts = window_starts(length, window, window - data.draw(st.integers(1, window)))
    values = np.array(data.draw(st.lists(st.floats(-9, 9), min_size=len(starts), max_size=len(starts))))
    expected = [
        np.mean([value for start, value in zip(starts, values, strict=True) if start <= residue < start + window])
        for residue in range(length)
    ]
    np.testing.assert_allclose(of_residues(values, starts, window), expected, atol=1e-9)
