import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from esm2_amp.explanation.planted_residues import COLUMNS, in_top, peak_of, planted_residues

EXPLAINED = pd.DataFrame(
    {"Protein1": ["P", "Q", "P"], "Protein2": ["Q", "R", "R"], "Label": [1, 1, 0], "Prediction": [1, 1, 1]}
)
SITES = pd.DataFrame({"Entry": ["P", "Q"], "Start": [11, 3], "End": [14, 8]})
LENGTHS = {"P": 40, "Q": 30, "R": 20}
OPTIONS = {"top": 4, "near": 3, "smoothing": 1}


def profiles_of(function):
    """A profile of each partner by its name and length."""
    return [
        (function(first, LENGTHS[first]), function(second, LENGTHS[second]))
        for first, second in EXPLAINED[["Protein1", "Protein2"]].to_numpy()
    ]


def at(place, height=1.0):
    def profile(_, length):
        values = np.zeros(length)
        values[place] = height
        return values - 1e-3 * np.arange(length)

    return profile


def test_shares_and_distances_are_counted_by_hand():
    found = planted_residues({"first": profiles_of(at(0)), "motif": profiles_of(at(12))}, EXPLAINED, SITES, **OPTIONS)
    first, motif = found.set_index("Method").loc[["first", "motif"]].itertuples()
    assert first.Proteins == 3  # P in the first pair, Q in both: R has no motif, and the third pair is no true positive
    # the top four are residues 0 to 3: none of P's motif, 10 to 13, and two of Q's, 2 to 7
    assert first.Share == pytest.approx((0 + 2 / 4 + 2 / 4) / 3)
    assert first.MedianShare == pytest.approx(2 / 4)
    # the peak is 10 residues before P's motif and 2 before Q's
    assert (first.AtMotif, first.MedianDistance) == (pytest.approx(2 / 3), 2)
    # residues 12 and 0 to 2: one of P's motif, one of Q's; the peak is in P's and 5 behind Q's
    assert motif.Share == pytest.approx((1 + 1 + 1) / 4 / 3)
    assert (motif.AtMotif, motif.MedianDistance) == (pytest.approx(1 / 3), 5)
    # 10 of 40 residues are within 3 of P's motif, 11 of 30 of Q's; six residues of Q compete for four places
    assert motif.AtMotifByChance == pytest.approx((10 / 40 + 11 / 30 + 11 / 30) / 3)
    assert motif.ShareByChance == pytest.approx((4 / 40 + 6 / 30 + 6 / 30) / 3)


def test_chance_is_what_profiles_without_information_reach():
    generator, pairs = np.random.default_rng(0), 1500
    explained = pd.DataFrame(
        {"Protein1": [f"A{i}" for i in range(pairs)], "Protein2": "B", "Label": 1, "Prediction": 1}
    )
    sites = pd.DataFrame({"Entry": explained["Protein1"], "Start": generator.integers(1, 31, pairs)})
    sites = sites.assign(End=sites["Start"] + 9)
    noise = [(generator.random(40), generator.random(20)) for _ in range(pairs)]
    found = planted_residues({"noise": noise}, explained, sites, top=12, near=6, smoothing=1).iloc[0]
    assert found["Share"] == pytest.approx(found["ShareByChance"], abs=0.012)
    assert found["AtMotif"] == pytest.approx(found["AtMotifByChance"], abs=0.04)
    assert found["AtMotifLow"] < found["AtMotif"] < found["AtMotifHigh"]


def test_profile_that_is_the_motif_finds_all_of_it():
    site = {row.Entry: slice(row.Start - 1, row.End) for row in SITES.itertuples()}
    exact = profiles_of(lambda entry, length: at(site.get(entry, 0))(entry, length))
    found = planted_residues({"exact": exact}, EXPLAINED, SITES, top=6, near=0, smoothing=1).iloc[0]
    assert (found["Share"], found["AtMotif"], found["MedianDistance"]) == (1, 1, 0)


def test_no_true_positive_has_a_motif():
    found = planted_residues({"any": profiles_of(at(0))}, EXPLAINED.assign(Label=0), SITES, **OPTIONS)
    assert found.empty
    assert found.columns.tolist() == COLUMNS


@given(st.lists(st.integers(0, 4), min_size=1, max_size=20), st.integers(1, 25))
def test_residues_of_equal_value_share_the_places_that_are_left(values, top):
    array = np.array(values, dtype=float)
    found = in_top(array, top)
    assert found.sum() == pytest.approx(min(top, len(array)))
    ranks = np.array([[np.sum(array > value), np.sum(array >= value)] for value in array])
    assert (found[ranks[:, 1] <= top] == 1).all()
    assert (found[ranks[:, 0] >= top] == 0).all()
    for value in set(values):
        assert np.ptp(found[array == value]) < 1e-12


def test_peak_of_a_plateau_is_its_middle_and_smoothing_passes_over_a_spike():
    plateau = np.zeros(30)
    plateau[10:15] = 1
    assert peak_of(plateau, 1) == 12
    plateau[25] = 2
    assert (peak_of(plateau, 1), peak_of(plateau, 5)) == (25, 12)
