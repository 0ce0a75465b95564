"""Baselines: what they know, what they must not know, and their published figure on the Bernett split."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from Bio.SeqUtils.ProtParam import ProteinAnalysis
from pydantic import ValidationError
from sklearn.metrics import average_precision_score, roc_auc_score

from esm2_amp.errors import InputError
from esm2_amp.evaluation import baselines
from esm2_amp.evaluation.baselines import BASELINES, ProteinViews, baseline_logits, composition_table
from esm2_amp.io.pairs import PairsDataset
from esm2_amp.io.proteins import ProteinsDataset
from esm2_amp.parameters.evaluation import BaselineParameters
from esm2_amp.protein import STANDARD_RESIDUES

BERNETT = Path(__file__).parents[2] / "../shared/bernett"
PARAMETERS = BaselineParameters()
N_PROTEINS = 60


@pytest.fixture
def proteins():
    rng = np.random.default_rng(3)
    sequences = ["".join(rng.choice(list(STANDARD_RESIDUES), length)) for length in rng.integers(30, 90, N_PROTEINS)]
    return ProteinViews(sequences, rng.normal(1, 1, (N_PROTEINS, 8)).astype(np.float32))


@pytest.fixture
def pairs():
    rng = np.random.default_rng(4)
    number = rng.choice(N_PROTEINS**2, 700, replace=False)
    table = pd.DataFrame({"a": number // N_PROTEINS, "b": number % N_PROTEINS}).query("a < b").reset_index(drop=True)
    return table.assign(label=rng.integers(0, 2, len(table)).astype(np.float32))


@pytest.mark.parametrize("name", BASELINES)
def test_logits_are_finite_the_same_again_and_blind_to_the_order_of_partners(name, pairs, proteins):
    train, other = pairs.iloc[:200], pairs.iloc[200:]
    logit = baseline_logits(name, train, other, proteins, PARAMETERS, seed=42)
    assert logit.shape == (len(other),)
    assert logit.dtype == np.float64
    assert np.isfinite(logit).all()
    assert len(np.unique(logit)) > 10
    np.testing.assert_array_equal(logit, baseline_logits(name, train, other, proteins, PARAMETERS, seed=42))
    swapped = {"a": "b", "b": "a"}
    back = other.rename(columns=swapped)
    np.testing.assert_allclose(
        logit, baseline_logits(name, train, back, proteins, PARAMETERS, seed=42), rtol=1e-5, atol=1e-6
    )
    trained_back = train.rename(columns=swapped)
    np.testing.assert_allclose(
        logit, baseline_logits(name, trained_back, other, proteins, PARAMETERS, seed=42), rtol=1e-4, atol=1e-5
    )


@pytest.mark.parametrize("name", BASELINES)
def test_logits_read_neither_labels_nor_company_of_the_scored_pairs(name, pairs, proteins):
    train, other = pairs.iloc[:200], pairs.iloc[200:]
    logit = baseline_logits(name, train, other, proteins, PARAMETERS, seed=42)
    alone = baseline_logits(name, train, other.drop(columns="label").iloc[:5], proteins, PARAMETERS, seed=42)
    np.testing.assert_allclose(alone, logit[:5], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", BASELINES)
def test_no_pairs_to_score_give_no_logits(name, pairs, proteins):
    assert len(baseline_logits(name, pairs, pairs.iloc[:0], proteins, PARAMETERS, seed=42)) == 0


@pytest.mark.parametrize("name", ["node_degree", "similarity"])
def test_labels_at_random_stay_unknown_although_training_pairs_are_described_by_each_other(name, proteins):
    # Every pair of 60 proteins, half of them for training: with its own edge a training pair would be told, and the
    # logistic regression would trust what new pairs don't have.
    rng = np.random.default_rng(5)
    a, b = np.triu_indices(N_PROTEINS, 1)
    table = pd.DataFrame({"a": a, "b": b, "label": rng.integers(0, 2, len(a))})
    is_training = rng.random(len(table)) < 0.5
    logit = baseline_logits(name, table[is_training], table, proteins, PARAMETERS, seed=42)
    assert abs(roc_auc_score(table["label"][~is_training], logit[~is_training]) - 0.5) < 0.08
    assert np.abs(logit[~is_training]).max() < 1.5


@pytest.mark.parametrize("name", ["node_degree", "similarity"])
def test_a_training_pair_given_twice_counts_once(name, pairs, proteins):
    train, other = pairs.iloc[:200], pairs.iloc[200:]
    doubled = pd.concat([train, train.iloc[:80].rename(columns={"a": "b", "b": "a"})], ignore_index=True)
    np.testing.assert_allclose(
        baseline_logits(name, doubled, other, proteins, PARAMETERS, seed=42),
        baseline_logits(name, train, other, proteins, PARAMETERS, seed=42),
        rtol=1e-6,
    )


def test_composition_agrees_with_biopython():
    sequence = "MKTAYIAKQRQISFVKSHFSRQLEERLGLIEVQ"
    counts = ProteinAnalysis(sequence).count_amino_acids()
    shares = [counts[letter] / len(sequence) for letter in STANDARD_RESIDUES]
    np.testing.assert_allclose(composition_table([sequence])[0], [*shares, np.log(33)])


def test_rare_residues_count_in_the_length_alone():
    (row,) = composition_table(["AXUA"])
    assert row[STANDARD_RESIDUES.index("A")] == 0.5
    assert row[:-1].sum() == 0.5
    assert row[-1] == pytest.approx(np.log(4))


def test_composition_tells_pairs_that_differ_by_composition_alone():
    rng = np.random.default_rng(6)
    rich = np.arange(N_PROTEINS) % 2
    sequences = ["".join(rng.choice(list("KKKE" if is_rich else "EEEK"), 80)) for is_rich in rich]
    a, b = np.triu_indices(N_PROTEINS, 1)
    table = pd.DataFrame({"a": a, "b": b, "label": rich[a] & rich[b]})
    logit = baseline_logits("composition", table[::2], table[1::2], ProteinViews(sequences, None), PARAMETERS, seed=42)
    assert roc_auc_score(table["label"][1::2], logit) > 0.99


def test_node_degree_finds_hubs_and_says_nothing_of_unseen_proteins():
    # Proteins 0 to 9 are in positives with all others, which are in negatives with each other.
    a, b = np.triu_indices(40, 1)
    table = pd.DataFrame({"a": a, "b": b, "label": (a < 10).astype(int)})
    train = table.sample(frac=0.6, random_state=0)
    other = table.drop(train.index)
    logit = baseline_logits("node_degree", train, other, ProteinViews(None, None), PARAMETERS, seed=42)
    assert roc_auc_score(other["label"], logit) > 0.99
    unseen = pd.DataFrame({"a": [90, 91], "b": [92, 99]})
    first, second = baseline_logits("node_degree", train, unseen, ProteinViews(None, None), PARAMETERS, seed=42)
    assert first == second


def test_log_degree_by_hand_leaves_a_pairs_own_edge_out():
    degree = np.array([3, 1, 0])
    rows = baselines.PairRows(np.array([0, 0]), np.array([1, 2]))
    found = baselines._log_degree(degree, rows, own=np.array([True, False]))
    np.testing.assert_allclose(found, [np.log(3) + np.log(1), np.log(4) + np.log(1)])


@pytest.mark.parametrize("combine", ["min", "sum"])
@pytest.mark.parametrize("subtract_negatives", [False, True])
def test_similarity_tells_pairs_of_the_same_two_families(combine, subtract_negatives):
    rng = np.random.default_rng(7)
    family = np.arange(N_PROTEINS) % 4
    vectors = (10 + 3 * np.eye(4)[family] + rng.normal(0, 0.3, (N_PROTEINS, 4))).astype(np.float32)
    a, b = np.triu_indices(N_PROTEINS, 1)
    table = pd.DataFrame({"a": a, "b": b, "label": ((family[a] + family[b]) == 3).astype(int)})
    seen = (table["a"] < 40) & (table["b"] < 40)
    other = table[(table["a"] >= 40) & (table["b"] >= 40)]  # no protein in common with training
    options = {"combine": combine, "subtract_negatives": subtract_negatives}
    parameters = BaselineParameters(similarity=options)
    logit = baseline_logits("similarity", table[seen], other, ProteinViews(None, vectors), parameters, seed=42)
    assert roc_auc_score(other["label"], logit) > 0.95


@pytest.mark.parametrize("subtract_negatives", [False, True])
def test_similarity_is_blind_to_what_all_vectors_have_in_common_and_to_proteins_not_trained_on(
    subtract_negatives, pairs, proteins
):
    train, other = pairs.iloc[:200], pairs.iloc[200:]
    parameters = BaselineParameters(similarity={"subtract_negatives": subtract_negatives})
    logit = baseline_logits("similarity", train, other, proteins, parameters, seed=42)
    moved = proteins.mean_vectors + np.array([50, -20, 10, 0, 0, 0, 0, 0], np.float32)
    far = np.vstack([moved, np.full((N_PROTEINS, 8), 1000, np.float32)])
    found = baseline_logits("similarity", train, other, ProteinViews(None, far), parameters, seed=42)
    np.testing.assert_allclose(found, logit, rtol=1e-3, atol=1e-4)


def test_an_unknown_baseline_is_refused_with_the_choices(pairs, proteins):
    with pytest.raises(InputError, match=r"one of composition, node_degree, .* got 'random'"):
        baseline_logits("random", pairs, pairs, proteins, PARAMETERS, seed=42)


@pytest.mark.parametrize(("name", "reads"), [(name, b.reads) for name, b in BASELINES.items() if b.reads])
def test_a_baseline_without_what_it_reads_says_so(name, reads, pairs):
    with pytest.raises(InputError, match=f"{name} needs the proteins' {reads}, got none"):
        baseline_logits(name, pairs, pairs, ProteinViews(None, None), PARAMETERS, seed=42)


@pytest.mark.parametrize("label", [0, 1])
@pytest.mark.parametrize("name", BASELINES)
def test_training_pairs_of_one_class_are_refused(name, label, pairs, proteins):
    with pytest.raises(InputError, match="pairs of both classes, got"):
        baseline_logits(name, pairs.assign(label=label), pairs, proteins, PARAMETERS, seed=42)


def test_a_mistyped_parameter_is_refused():
    with pytest.raises(ValidationError, match="max_leafs"):
        BaselineParameters(composition={"max_leafs": 3})


@pytest.mark.skipif(not BERNETT.exists(), reason="needs the Bernett files in ../shared/bernett")
def test_composition_reaches_its_known_figures_on_the_whole_of_bernett():
    proteins = ProteinsDataset(filepath=str(BERNETT / "proteins.fasta.gz")).load().frame
    rows = pd.Series(range(len(proteins)), index=proteins["Entry"])
    splits = {}
    for split in ("train", "test"):
        table = PairsDataset(filepath=str(BERNETT / f"{split}_pairs.csv.gz")).load().frame
        a, b = (rows[table[column]].to_numpy() for column in ("Protein1", "Protein2"))
        splits[split] = pd.DataFrame({"a": a, "b": b, "label": table["Label"].to_numpy().astype(int)})
    assert (len(splits["train"]), len(splits["test"])) == (163_192, 52_048)
    views = ProteinViews(proteins["Sequence"].tolist(), None)
    logit = baseline_logits("composition", splits["train"], splits["test"], views, PARAMETERS, seed=42)
    # METHOD section 5.
    assert roc_auc_score(splits["test"]["label"], logit) == pytest.approx(0.600, abs=0.01)
    assert average_precision_score(splits["test"]["label"], logit) == pytest.approx(0.609, abs=0.01)
