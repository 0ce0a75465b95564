"""The leakage audit on splits small enough to count by hand."""

import json
import logging

import numpy as np
import pandas as pd
import pytest
from scipy.stats import ks_2samp

from esm2_amp.errors import InputError
from esm2_amp.splits.audit import audit_pairs, check_split, warn_unless_new_proteins
from esm2_amp.splits.figures import audit_figure
from esm2_amp.splits.splitting import seen_class

NAMES = np.array(list("ABCDEFGHIJ"))
KEYS = list("abcdefghij")


def model_pairs(*rows):
    """Rows as ('A-B', label, split)."""
    names = [name.split("-") for name, _, _ in rows]
    place = {name: row for row, name in enumerate(NAMES)}
    table = pd.DataFrame(
        {
            "Protein1": [one for one, _ in names],
            "Protein2": [other for _, other in names],
            "a": np.array([place[one] for one, _ in names], dtype=np.int32),
            "b": np.array([place[other] for _, other in names], dtype=np.int32),
            "label": np.array([label for _, label, _ in rows], dtype=np.float32),
            "split": [split for _, _, split in rows],
            "file": [f"{split}.csv" for _, _, split in rows],
            "row": range(2, len(rows) + 2),
        }
    )
    return table.assign(seen=seen_class(table))


@pytest.fixture
def disjoint():
    return model_pairs(
        ("A-B", 1, "train"),
        ("A-C", 1, "train"),
        ("A-A", 0, "train"),
        ("B-D", 0, "train"),
        ("E-F", 1, "validation"),
        ("E-G", 0, "validation"),
        ("H-I", 1, "test"),
        ("I-J", 0, "test"),
    )


@pytest.fixture
def overlapping():
    return model_pairs(
        ("A-B", 1, "train"),
        ("B-C", 0, "train"),
        ("A-C", 1, "validation"),
        ("C-D", 0, "validation"),
        ("A-D", 1, "test"),
        ("B-E", 0, "test"),
    )


def audit(pairs, *, keys=KEYS, similar=None):
    return audit_pairs(pairs, keys, similar)


def test_disjoint_splits_share_nothing(disjoint):
    check_split(disjoint, claims_disjoint_proteins=True)
    report = audit(disjoint).report
    nothing = {"proteins": 0, "identical_sequences": 0}
    assert report["shared"] == {name: nothing for name in ("train-validation", "train-test", "validation-test")}
    assert report["splits"]["test"]["seen_in_training"] == {"C1": 0, "C2": 0, "C3": 2}


def test_shared_proteins_are_counted_for_every_two_splits(overlapping):
    report = audit(overlapping).report
    assert {name: counts["proteins"] for name, counts in report["shared"].items()} == {
        "train-validation": 2,  # A, C
        "train-test": 2,  # A, B
        "validation-test": 2,  # A, D
    }
    assert report["splits"]["test"]["seen_in_training"] == {"C1": 0, "C2": 2, "C3": 0}
    assert "seen_in_training" not in report["splits"]["train"]


def test_degrees_count_a_self_pair_once(disjoint):
    degrees = audit(disjoint).degrees
    train = degrees[degrees["Split"] == "train"].set_index("Protein")
    assert train["Positives"].to_dict() == {"A": 2, "B": 1, "C": 1, "D": 0}
    assert train["Negatives"].to_dict() == {"A": 1, "B": 1, "C": 0, "D": 1}


def test_proteins_of_one_class_only_and_the_distance_of_degrees(disjoint):
    train = audit(disjoint).report["splits"]["train"]
    assert (train["only_in_positives"], train["only_in_negatives"]) == (1, 1)
    assert train["degrees"]["positives"] == pytest.approx(
        {"mean": 1, "q0": 0, "q25": 0.75, "q50": 1, "q75": 1.25, "q95": 1.85, "q100": 2}
    )
    # At 1 all negatives' degrees are reached, and three of four positives'.
    assert train["degrees"]["kolmogorov_smirnov"] == ks_2samp([2, 1, 1, 0], [1, 1, 0, 1]).statistic == 0.25


def test_equal_sequences_under_two_names_are_found_and_shared_proteins_are_not_among_them(overlapping):
    keys = KEYS.copy()
    assert audit(overlapping, keys=keys).report["shared"]["train-test"]["identical_sequences"] == 0
    keys[3] = keys[0]  # D as A: in train A; in validation A and D; in test A and D
    shared = audit(overlapping, keys=keys).report["shared"]
    assert {name: counts["identical_sequences"] for name, counts in shared.items()} == {
        "train-validation": 1,
        "train-test": 1,
        "validation-test": 1,
    }


def test_similar_proteins_are_counted_across_splits_only(disjoint):
    similar = pd.DataFrame({"a": [0, 0, 1, 4], "b": [1, 7, 9, 8]})  # A-B, A-H, B-J, E-I
    shared = audit(disjoint, similar=similar).report["shared"]
    assert {name: counts["similar_proteins"] for name, counts in shared.items()} == {
        "train-validation": 0,
        "train-test": 2,
        "validation-test": 1,
    }


def test_a_false_claim_of_disjoint_proteins_is_an_error_that_names_them(overlapping):
    with pytest.raises(InputError, match="claims that no protein is in two") as raised:
        check_split(overlapping, claims_disjoint_proteins=True)
    assert "train and validation share 2: A, C" in str(raised.value)
    assert "validation and test share 2: A, D" in str(raised.value)


def test_a_pair_in_two_splits_is_an_error_also_the_other_way_round(overlapping):
    pairs = pd.concat([overlapping, model_pairs(("B-A", 1, "test"), ("D-C", 0, "train"))])
    with pytest.raises(InputError, match="A pair must be in one split only") as raised:
        check_split(pairs, claims_disjoint_proteins=False)
    assert str(raised.value).splitlines()[1:] == [
        "  A-B is in train (train.csv row 2) and test (test.csv row 2)",
        "  C-D is in validation (validation.csv row 5) and train (train.csv row 3)",
    ]


def test_a_pair_twice_in_one_split_is_no_overlap(disjoint):
    check_split(pd.concat([disjoint, disjoint.iloc[:1]]), claims_disjoint_proteins=True)


def test_bernett_splits_share_neither_pairs_nor_proteins(shared):
    folder = shared / "bernett"
    if not folder.is_dir():
        pytest.skip("needs the folder `shared/bernett` beside the project")
    tables = [
        pd.read_csv(folder / f"{split}_pairs.csv.gz").assign(split=split, file=split, row=0)
        for split in ("train", "validation", "test")
    ]
    pairs = pd.concat(tables, ignore_index=True)
    ends, names = pd.factorize(pairs[["Protein1", "Protein2"]].to_numpy().ravel())
    pairs = pairs.assign(a=ends[::2], b=ends[1::2], label=pairs["Label"])
    pairs = pairs.assign(seen=seen_class(pairs))
    check_split(pairs, claims_disjoint_proteins=True)
    report = audit_pairs(pairs, names.tolist()).report
    assert report["splits"]["test"]["seen_in_training"] == {"C1": 0, "C2": 0, "C3": 52_048}
    for split, part in pairs.groupby("split"):
        positives, negatives = (
            set(part.loc[part["label"] == label, ["Protein1", "Protein2"]].to_numpy().ravel()) for label in (1, 0)
        )
        found = report["splits"][split]
        assert (found["only_in_positives"], found["only_in_negatives"]) == (
            len(positives - negatives),
            len(negatives - positives),
        )
    again = pairs.iloc[:1].rename(columns={"Protein1": "Protein2", "Protein2": "Protein1", "a": "b", "b": "a"})
    with pytest.raises(InputError, match=r"is in train \(.*\) and test"):
        check_split(pd.concat([pairs, again.assign(split="test")]), claims_disjoint_proteins=False)


def test_a_test_split_of_few_new_proteins_is_warned_of(overlapping, disjoint, caplog):
    with caplog.at_level(logging.WARNING):
        audit(disjoint)
        assert not caplog.records
        audit(overlapping)
    assert "In the test split every pair has a protein that is in training pairs too" in caplog.text
    assert "C1 0, C2 2, C3 0" in caplog.text


def test_random_folds_can_be_warned_of_too(caplog):
    warn_unless_new_proteins(pd.Series(["C1", "C1", "C2"]), "cross-validation")
    assert "In cross-validation every pair" in caplog.text
    warn_unless_new_proteins(pd.Series(["C1", "C3", "C2"]), "cross-validation")
    assert (
        "In cross-validation 2 of 3 pairs have a protein that is in training pairs too (C1 1, C2 1, C3 1" in caplog.text
    )
    caplog.clear()
    warn_unless_new_proteins(pd.Series(["C1", "C3"]), "cross-validation")
    warn_unless_new_proteins(pd.Series([], dtype=str), "cross-validation")
    assert not caplog.records


def test_the_report_is_json_also_where_a_split_is_empty(disjoint):
    report = audit(disjoint[disjoint["split"] != "validation"]).report
    json.dumps(report, allow_nan=False)
    assert report["splits"]["validation"]["degrees"]["kolmogorov_smirnov"] is None


def test_the_figure_shows_degrees_and_shared_proteins(overlapping):
    figure = audit_figure(audit(overlapping), "a split by hand")
    train, validation, test, shared = figure.axes
    assert figure.get_suptitle() == "a split by hand"
    assert [axes.get_title() for axes in (train, validation, test)] == [
        "train: 3 proteins, KS 0.000",
        "validation: 3 proteins, KS 0.000",
        "test: 4 proteins, KS 0.000",
    ]
    assert [text.get_text() for text in train.get_legend().get_texts()] == ["in positives", "in negatives"]
    positives = train.lines[0]
    assert (positives.get_xdata().tolist(), positives.get_ydata().tolist()) == ([1], [pytest.approx(2 / 3)])
    assert [text.get_text() for text in shared.texts] == [
        *("3", "2\n66.7 %", "2\n50.0 %"),
        *("2\n66.7 %", "3", "2\n50.0 %"),
        *("2\n66.7 %", "2\n66.7 %", "4"),
    ]
    figure.draw_without_rendering()


def test_the_figure_bears_an_empty_split(disjoint):
    figure = audit_figure(audit(disjoint[disjoint["split"] != "validation"]), "")
    assert figure.axes[1].get_title() == "validation: no pairs"
    figure.draw_without_rendering()


def ordered_pairs(hub_first_in_positives: bool, n: int = 200):
    """Positives with their hub, protein A, first or not; negatives with it first and second in turn."""
    partners = [f"P{i}" for i in range(n)]
    positives = [
        ("A", partner) if hub_first_in_positives or i % 2 else (partner, "A") for i, partner in enumerate(partners)
    ]
    negatives = [("A", f"N{i}") if i % 2 else (f"N{i}", "A") for i in range(n)]
    ends = positives + negatives
    place = {name: row for row, name in enumerate(sorted({name for pair in ends for name in pair}))}
    table = pd.DataFrame(ends, columns=["Protein1", "Protein2"])
    table = table.assign(a=table["Protein1"].map(place), b=table["Protein2"].map(place), split="train")
    table["label"] = np.repeat(np.float32([1, 0]), n)
    return table.assign(seen=seen_class(table)), list(map(str, place.values()))


def test_label_told_by_the_order_of_the_partners_is_measured_and_warned_of(caplog):
    report = audit_pairs(*ordered_pairs(hub_first_in_positives=True)).report["splits"]["train"]
    # a positive's difference is 399 - 1, a negative's in half the cases: ties count half
    assert report["order_auroc"] == pytest.approx(0.75)
    assert (
        "The order of a pair's proteins tells its label (AUROC by which of them has more pairs: train 0.750)"
        in caplog.text
    )
    caplog.clear()
    report = audit_pairs(*ordered_pairs(hub_first_in_positives=False)).report["splits"]
    assert report["train"]["order_auroc"] == pytest.approx(0.5)
    assert report["test"]["order_auroc"] is None
    assert not caplog.text
