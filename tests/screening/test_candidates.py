"""Candidates: which pairs, in which order, and their ranks among all scores, by brute force."""

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from test_kept import Case
from test_scorers import network_of

from esm2_amp.errors import InputError
from esm2_amp.models.storage import TrainedModel
from esm2_amp.screening.candidates import (
    COLUMNS,
    Calibration,
    calibration_of,
    candidate_table,
    log_odds,
    partners_of_query,
    protein_table,
    ranks_of,
    score_distributions,
)
from esm2_amp.screening.kept import COARSE_EDGES, candidate_pairs
from esm2_amp.statistics.metrics import sigmoid


def kept_of(case: Case):
    return case.kept((3, 4), np.random.default_rng(0))


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 10**6))
def test_ranks_are_those_of_brute_force_where_they_are_said_to_be_exact(seed):
    case = Case(seed)
    kept, logit = kept_of(case), case.logit
    pairs = candidate_pairs(kept)
    found = list(zip(pairs.a.tolist(), pairs.b.tolist(), strict=True))
    queries, top = set(case.wanted.queries.tolist()), case.keeping.top
    partners = {p: [pair[pair[0] == p] for pair in case.pairs if p in pair] for p in range(case.proteins)}
    order = {p: sorted(of, key=lambda j, p=p: (-logit[p, j], j)) for p, of in partners.items()}
    best = {tuple(sorted((q, p))) for q in queries for p in order[q][:top]}
    above = {pair for pair in case.pairs if logit[pair] >= case.keeping.threshold}
    assert set(found) == best | above
    assert found == sorted(found, key=lambda pair: (-logit[pair], pair))
    for side, ranks in zip((0, 1), ranks_of(pairs, kept), strict=True):
        for pair, rank, share in zip(found, ranks.rank, ranks.above, strict=True):
            protein, partner = pair[side], pair[1 - side]
            if protein not in queries:
                assert rank == 0 and np.isnan(share)
                continue
            true = order[protein].index(partner) + 1
            higher = sum(logit[protein, p] > logit[pair] for p in partners[protein])
            if true <= top or pair in above:
                assert (rank, share) == (true, higher / len(partners[protein]))
            else:  # scores are whole numbers, so that a bin holds equal ones
                assert higher + 1 <= rank <= true
                assert share == higher / len(partners[protein])


def model_with(card: dict) -> TrainedModel:
    return TrainedModel("ESM2_MEAN", network_of("ESM2_MEAN"), card)


def test_table_of_candidates_by_hand():
    case = Case(4)
    case.logit[:] = 0
    kept = kept_of(case)
    entries = [f"P{number}" for number in range(case.proteins)]
    trained = np.arange(case.proteins) < 2
    known = np.array([[0, 1]])
    table = candidate_table(kept, entries, Calibration(2.0, -1.0), known, trained)
    assert tuple(table.columns) == COLUMNS
    np.testing.assert_allclose(table["Probability"], 0.5)
    np.testing.assert_allclose(table["CalibratedProbability"], sigmoid(-1))
    assert table["Known"].tolist() == ((table["Protein1"] == "P0") & (table["Protein2"] == "P1")).tolist()
    expected = table["Protein1"].isin(["P0", "P1"]).astype(int) + table["Protein2"].isin(["P0", "P1"])
    assert table["InTraining"].tolist() == expected.tolist()
    unknown = candidate_table(kept, entries, Calibration(None), np.empty((0, 2), np.int64), None)
    assert unknown["InTraining"].isna().all() and unknown["CalibratedProbability"].isna().all()
    assert not unknown["Known"].any()


def test_prevalence_moves_calibrated_odds_by_a_constant():
    card = {"temperature": 1.5, "split": {"validation": {"pairs": 200, "positives": 50}}}
    logit = np.array([-2.0, 0.0, 3.0])
    before, after = (calibration_of(model_with(card), share).probability(logit) for share in (None, 0.001))
    np.testing.assert_allclose(before, sigmoid(logit / 1.5))
    odds = after / (1 - after) / (before / (1 - before))
    np.testing.assert_allclose(odds, (0.001 / 0.999) / (0.25 / 0.75))
    np.testing.assert_allclose(calibration_of(model_with(card), 0.25).probability(logit), before)


@pytest.mark.parametrize(
    ("card", "lacks"),
    [
        ({}, "temperature"),
        ({"temperature": 1.0}, "share of interacting validation pairs"),
        ({"temperature": 1.0, "split": {"validation": {"pairs": 9, "positives": 9}}}, "share of interacting"),
    ],
)
def test_prevalence_needs_a_model_that_knows_its_own(card, lacks):
    with pytest.raises(InputError, match=rf"screening.prevalence=0.01 .* holds no {lacks}.*; leave screening.prev"):
        calibration_of(model_with(card), 0.01)
    assert calibration_of(model_with(card), None).shift == 0


def test_partners_of_a_query_have_their_own_side_first():
    candidates = pd.DataFrame(
        [
            ("A", "B", 3.0, 0.9, 0.8, 1, 2, 0.0, 0.1, True, 1),
            ("B", "C", 2.0, 0.8, 0.7, 1, 7, 0.0, 0.3, False, 0),
            ("A", "C", 1.0, 0.7, 0.6, 2, 9, 0.2, 0.4, False, 0),
        ],
        columns=COLUMNS,
    )
    table = partners_of_query(candidates, "B")
    assert table["Partner"].tolist() == ["C", "A"]
    assert table["Rank"].tolist() == [1, 2]
    assert table["RankOfQuery"].tolist() == [7, 1]
    assert table["Above"].tolist() == [0.0, 0.1]
    assert table["AboveOfQuery"].tolist() == [0.3, 0.0]
    assert table["Known"].tolist() == [False, True]


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10**6))
def test_scores_of_proteins_are_those_of_brute_force(seed):
    case = Case(seed)
    kept = kept_of(case)
    entries = [f"P{number}" for number in range(case.proteins)]
    table = protein_table(kept, entries, None).set_index("Entry")
    assert table.index.tolist() == entries
    for number, entry in enumerate(entries):
        scores = sorted(case.logit[pair] for pair in case.pairs if number in pair)
        if number not in case.wanted.queries or not scores:
            assert table.loc[entry, ["Median", "Best"]].isna().all()
            continue
        assert table.loc[entry, "Scores"] == len(scores)
        assert table.loc[entry, "Best"] == scores[-1]
        median = scores[int(np.ceil(len(scores) / 2)) - 1]
        at = np.searchsorted(COARSE_EDGES, np.float32(median), side="right")
        assert table.loc[entry, "Median"] == pytest.approx((float(COARSE_EDGES[at - 1]) + float(COARSE_EDGES[at])) / 2)
    queries = [entries[row] for row in case.wanted.queries]
    counts = score_distributions(kept, entries, queries).groupby("Protein")["Pairs"].sum()
    assert counts.get("all", 0) == len(case.pairs)
    for row, query in zip(case.wanted.queries, queries, strict=True):
        assert counts.get(query, 0) == sum(row in pair for pair in case.pairs)


def test_log_odds_are_the_logit():
    assert torch.tensor(log_odds(0.9)).sigmoid().item() == pytest.approx(0.9)
