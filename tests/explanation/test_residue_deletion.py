from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from transformers import EsmModel

from esm2_amp.encoder.loading import load_encoder
from esm2_amp.encoder.tokens import MASK
from esm2_amp.explanation import residue_deletion as module
from esm2_amp.explanation.changed_sequences import SequenceScorer
from esm2_amp.explanation.rescoring import Rescorer
from esm2_amp.explanation.residue_deletion import (
    FEWEST_PAIRS,
    no_deletion,
    place_at_random,
    residue_deletion,
    run_lengths,
    top_residues,
)
from esm2_amp.explanation.residues import ResidueSource
from esm2_amp.pairs import Pairs
from esm2_amp.parameters.feature_extraction import EmbeddingParameters

GOLDEN = Path(__file__).parents[1] / "data/golden"
CPU = torch.device("cpu")
N_PAIRS, LENGTH, MOTIF = 12, 40, slice(10, 18)


class Sum(nn.Module):
    """The logit is the sum of all features."""

    protein_tokens = slice(12, 13)

    def forward(self, tokens):
        return tokens.sum(dim=(1, 2))


class Unmasked(SequenceScorer):
    """A model that counts the residues of the motif left unmasked in both partners: a score that rests on them."""

    def vectors(self, tokens):
        left = torch.tensor([[float((one[1:-1][MOTIF] != MASK).sum())] for one in tokens])
        return (left - 4).unsqueeze(1) / 2


class OfMotif(Rescorer):
    """Rescores by that model."""

    @property
    def scorer(self):
        return Unmasked(*super().scorer)


@pytest.fixture(scope="module")
def rescorer():
    entries = [f"P{number}" for number in range(2 * N_PAIRS)]
    generator = np.random.default_rng(0)
    sequences = {entry: "".join(generator.choice(list("ACDEFGHIKL"), LENGTH)) for entry in entries}
    a, b = torch.arange(2 * N_PAIRS).view(2, -1)
    options = EmbeddingParameters(precision="float32", whole_up_to=99, window=40, overlap=10)
    source = ResidueSource(sequences, load_encoder(str(GOLDEN / "esm2_tiny")), options, CPU)
    return OfMotif(Sum(), Pairs(torch.zeros(2 * N_PAIRS, 1, 1), a, b), entries, source, 16)


def profiles_of(values):
    return [(values.copy(), values.copy()) for _ in range(N_PAIRS)]


@pytest.fixture(scope="module")
def found(rescorer):
    true = np.zeros(LENGTH)
    true[MOTIF] = 1 - 0.01 * np.arange(8)
    methods = {"true": profiles_of(true), "reverse": profiles_of(-true)}
    return residue_deletion(methods, rescorer, [0.1, 0.2, 0.4], random_windows=3, seed=1)


def test_masking_what_the_score_rests_on_is_better_than_random_windows(found):
    areas = found.areas.set_index("Method")
    assert areas.loc["true", "Verdict"] == "better than random"
    assert 0 < areas.loc["true", "Low"] < areas.loc["true", "Difference"] < areas.loc["true", "High"]
    assert areas.loc["reverse", "Verdict"] == "worse than random"


def test_curve_counts_the_masked_residues_of_the_motif(found):
    curve = found.curves.set_index(["Method", "Order", "Share"])["Fall"]
    # 8, 16 and 32 residues of 80 are masked, and the motifs have 16 of them, each half a logit
    np.testing.assert_allclose(curve["true", "chosen"].to_numpy(), [0, 4, 8, 8], atol=1e-6)
    np.testing.assert_allclose(curve["reverse", "chosen"].to_numpy(), 0, atol=1e-6)
    at_random = curve["true", "random windows"].to_numpy()
    assert at_random[0] == 0
    assert (np.diff(at_random) > 0).all()


def test_area_is_the_mean_fall_over_the_shares(found):
    curves = found.curves.set_index(["Method", "Order"])
    areas = found.areas.set_index("Method").loc["true"]
    for order, name in (("chosen", "Fall"), ("random windows", "RandomFall")):
        falls, shares = curves.loc[("true", order), "Fall"].to_numpy(), curves.loc[("true", order), "Share"].to_numpy()
        area = ((falls[1:] + falls[:-1]) / 2 * np.diff(shares)).sum() / shares[-1]
        assert areas[name] == pytest.approx(area)
    assert areas["Difference"] == pytest.approx(areas["Fall"] - areas["RandomFall"])


def test_each_pair_is_compared_with_its_own_placements(found):
    true, reverse = (found.pairs.query("Method == @name") for name in ("true", "reverse"))
    assert true[["Protein1", "Protein2"]].iloc[1].tolist() == ["P1", f"P{N_PAIRS + 1}"]
    assert (true["Exceeded"] == 3).all()
    assert (reverse["Exceeded"] == 0).all()
    assert (true["Placements"] == 3).all()
    for name, of_method in (("true", true), ("reverse", reverse)):
        areas = found.areas.set_index("Method").loc[name]
        for column in ("Fall", "RandomFall", "Difference"):
            assert of_method[column].mean() == pytest.approx(areas[column])
        assert areas["Pairs"] == N_PAIRS


def test_few_pairs_have_no_interval(rescorer):
    few = rescorer._replace(pairs=rescorer.pairs.only(np.arange(FEWEST_PAIRS - 1)))
    values = [(np.arange(LENGTH, dtype=float), np.arange(LENGTH, dtype=float))] * (FEWEST_PAIRS - 1)
    found = residue_deletion({"any": values}, few, [0.2], random_windows=2, seed=0)
    assert found.areas[["Low", "High"]].isna().all(axis=None)
    assert found.areas["Verdict"].tolist() == ["too few pairs"]
    assert found.curves[["Low", "High"]].isna().all(axis=None)
    assert found.curves["Fall"].notna().all()


def test_what_is_not_masked_has_the_same_columns(found):
    for empty, table in zip(no_deletion(), found, strict=True):
        assert empty.empty
        assert empty.columns.tolist() == table.columns.tolist()


def test_profiles_without_information_are_not_distinguishable(rescorer):
    generator = np.random.default_rng(3)
    noise = [(generator.random(LENGTH), generator.random(LENGTH)) for _ in range(N_PAIRS)]
    areas = residue_deletion({"noise": noise}, rescorer, [0.1, 0.3], random_windows=20, seed=0).areas
    assert areas["Verdict"].tolist() == ["not distinguishable"]


def test_random_places_are_drawn_from_the_seed(rescorer):
    values = profiles_of(np.arange(LENGTH, dtype=float))
    first, again, other = (
        residue_deletion({"any": values}, rescorer, [0.2], random_windows=2, seed=seed).curves for seed in (1, 1, 2)
    )
    pd.testing.assert_frame_equal(first, again)
    assert not first.equals(other)


def test_masked_residues_are_embedded_and_scored_again():
    """With a real encoder: a masked pair has the logit of its masked sequences."""
    encoder = load_encoder(str(GOLDEN / "esm2_tiny"))
    options = EmbeddingParameters(precision="float32", whole_up_to=99, window=40, overlap=10)
    sequences = {"P": "ACDEFGHIKLMNPQRS", "Q": "MKVLAWYTSRPNGDE"}
    source = ResidueSource(sequences, encoder, options, CPU)
    pairs = Pairs(torch.zeros(2, 1, 32), torch.tensor([0]), torch.tensor([1]))
    rescorer = Rescorer(Sum(), pairs, ["P", "Q"], source, 4)
    masks = [(np.arange(16) < 3, np.arange(15) > 11), (np.zeros(16, dtype=bool), np.zeros(15, dtype=bool))]
    model, expected = EsmModel.from_pretrained(GOLDEN / "esm2_tiny", add_pooling_layer=False).eval(), []
    for of_pair in masks:
        total = 0.0
        for sequence, mask in zip(sequences.values(), of_pair, strict=True):
            tokens = torch.from_numpy(module.encode(sequence)).long()
            tokens[1:-1][torch.from_numpy(mask)] = MASK
            with torch.no_grad():
                total += model(tokens[None]).last_hidden_state[0, 1:-1].mean(dim=0).sum().item()
        expected.append(total)
    np.testing.assert_allclose(module._masked_logits(rescorer, 0, masks), expected, atol=1e-4)


def test_top_residues_are_those_of_both_partners_together():
    a, b = top_residues((np.array([5.0, 1.0, 4.0]), np.array([3.0, 6.0])), 0.6)
    assert a.tolist() == [True, False, True]
    assert b.tolist() == [False, True]
    assert sum(map(np.sum, top_residues((np.zeros(3), np.zeros(2)), 0.01))) == 1


@given(st.data())
def test_random_windows_keep_their_sizes(data):
    flags = np.array(data.draw(st.lists(st.booleans(), min_size=1, max_size=40)))
    placed = place_at_random(run_lengths(flags), len(flags), np.random.default_rng(data.draw(st.integers(0, 999))))
    assert sorted(run_lengths(placed)) == sorted(run_lengths(flags))
    assert placed.sum() == flags.sum()


def test_every_placement_is_as_likely():
    generator, seen = np.random.default_rng(0), {}
    for _ in range(6000):
        key = tuple(place_at_random(np.array([1, 2]), 6, generator).tolist())
        seen[key] = seen.get(key, 0) + 1
    # the window of one residue before or behind that of two, with a free residue between: 6 placements each way
    assert len(seen) == 12
    assert min(seen.values()) > 400
    assert max(seen.values()) < 600
