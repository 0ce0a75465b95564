"""What is said of candidates that can't be trusted, and not said of others."""

import networkx as nx
import numpy as np
import pandas as pd
import pytest

from esm2_amp.screening.candidates import COLUMNS
from esm2_amp.screening.cautions import auroc_of, caution_on_known, cautions, narrowest
from esm2_amp.screening.kept import COARSE, EDGES, FINE, Keeping, Kept, Watch
from esm2_amp.screening.network import candidate_network

GOOD = {"model": "ESM2_DPM", "evaluation": {"metrics": {"ESM2_DPM": {"auroc": [0.9, 0.88, 0.92]}}}}


def kept_with(logits: np.ndarray) -> Kept:
    kept = Kept.nothing(np.arange(3), Keeping(1, 0.0, Watch.nothing(3)))
    kept.scores += np.bincount(np.searchsorted(EDGES, logits.astype(np.float32), side="right"), minlength=FINE)
    return kept


SPREAD = kept_with(np.random.default_rng(0).normal(0, 2, 1000))


def pairs_of(names: list[tuple[str, str]], *, above1: float = 0.0, above2: float = 0.0) -> pd.DataFrame:
    rows = [(a, b, 2.0 - at / 1000, 0.9, 0.8, 1, 1, above1, above2, False, 0) for at, (a, b) in enumerate(names)]
    return pd.DataFrame(rows, columns=list(COLUMNS))


DIFFERENT = pairs_of([(f"A{n}", f"B{n}") for n in range(100)])
HUB = pairs_of([("HUB", f"B{n}") for n in range(60)] + [(f"A{n}", f"B{n}") for n in range(40)])


def test_good_candidates_need_no_caution():
    assert cautions(DIFFERENT, SPREAD, GOOD, 200, []) == []


def test_a_hub_is_named():
    (words,) = cautions(HUB, SPREAD, GOOD, 200, [])
    assert "mostly hubs: 1 of 200 proteins make up half of the 100 best pairs, the first of them HUB" in words


def test_a_query_is_no_hub_but_its_partners_may_be():
    partners = [("Q", f"B{n}") for n in range(60)]
    assert cautions(pairs_of(partners, above2=0.01), SPREAD, GOOD, 200, ["Q"]) == []
    assert cautions(pairs_of(partners, above2=np.nan), SPREAD, GOOD, 200, ["Q"]) == []
    (words,) = cautions(pairs_of(partners, above2=0.2), SPREAD, GOOD, 200, ["Q"])
    assert "mostly hubs: 60 of the 60 best score higher with more than 5% of randomly drawn proteins" in words


def test_known_pairs_that_degrees_find_as_well_are_told():
    rankings = ["screen", "screen", "node degree", "node degree"]
    found = pd.DataFrame({"Ranking": rankings, "Share": [0.001, 0.1] * 2, "Recall": [0.01, 0.5, 0.05, 0.4]})
    assert "The best 0.001 of the pairs hold 1.0% of the known ones" in caution_on_known(found)
    assert caution_on_known(found.assign(Recall=[0.06, 0.3, 0.05, 0.4])) == ""
    assert caution_on_known(found.head(0)) == ""


def test_synthetic_training_is_told():
    (words,) = cautions(
        DIFFERENT, SPREAD, {"name": "mine", "data": "a planted interactome (synthetic)"} | GOOD, 200, []
    )
    assert words == "mine was trained on a planted interactome (synthetic): its scores say nothing about real proteins"


def test_scores_that_hardly_differ_are_told():
    (words,) = cautions(DIFFERENT, kept_with(np.r_[np.full(1000, 0.3), 3, -3]), GOOD, 200, [])
    assert "99 % of the logits lie within 0" in words


@pytest.mark.parametrize(
    ("card", "auroc", "words"),
    [
        ({}, None, "doesn't tell how well it ranks"),
        ({"model": "X", "selected_epoch": {"validation_auroc": 0.6}}, (0.6, "validation pairs"), "pairs is 0.6"),
        ({"model": "X", "evaluation": {"metrics": {"X": {"auroc": [0.55, 0.5, 0.6]}}},
          "selected_epoch": {"validation_auroc": 0.9}}, (0.55, "test pairs"), "test pairs is 0.550"),
    ],
)  # fmt: skip
def test_a_weak_or_unmeasured_model_is_told(card, auroc, words):
    assert auroc_of(card) == auroc
    (said,) = cautions(DIFFERENT, SPREAD, card, 200, [])
    assert words in said


def test_width_of_the_middle_scores():
    counts = np.zeros(COARSE, np.int64)
    counts[500], counts[520] = 50, 50
    assert 0.16 < narrowest(counts) < 0.18  # 21 bins
    counts[[0, -1]] = 1  # outermost bins have no outer edge
    assert narrowest(counts) == np.inf


def test_network_has_the_best_edges_above_the_threshold_with_their_attributes():
    table = pairs_of([("A", "B"), ("C", "A"), ("B", "C"), ("D", "E")])
    table["Probability"] = [0.9, 0.8, 0.7, 0.6]
    table["CalibratedProbability"] = np.nan
    table["InTraining"] = pd.array([1, pd.NA, 0, 0], dtype="Int8")
    proteins = pd.DataFrame({"Entry": list("ABCDE"), "Median": [0.5, np.nan, 1, 2, 3]})
    network = candidate_network(table, proteins, 0.65, 10)
    assert list(network.edges) == [("A", "B"), ("A", "C"), ("B", "C")]
    assert network.nodes["A"] == {"Median": 0.5, "Degree": 2} and network.nodes["B"] == {"Degree": 2}
    assert network.edges["A", "B"]["InTraining"] == 1 and "InTraining" not in network.edges["A", "C"]
    assert "CalibratedProbability" not in network.edges["A", "B"]
    assert network.edges["A", "B"]["Known"] is False
    assert len(candidate_network(table, proteins, 0.65, 2).edges) == 2
    assert len(candidate_network(table, proteins, 0.99, 2).edges) == 2, "the best where none passes"
    assert nx.utils.graphs_equal(network, candidate_network(table, proteins, 0.65, 3))
