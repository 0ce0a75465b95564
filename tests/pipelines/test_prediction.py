"""The nodes of `prediction`: which pairs are scored, and what is said of the others."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from esm2_amp.errors import InputError
from esm2_amp.features import ProteinFeatures
from esm2_amp.files import SourceTable
from esm2_amp.models.scoring import PairScores
from esm2_amp.parameters.evaluation import BaselineParameters, EvaluationParameters
from esm2_amp.parameters.prediction import PredictionParameters
from esm2_amp.parameters.run import RunParameters
from esm2_amp.pipelines.prediction.nodes import clean_new_pairs, score_new_pairs
from esm2_amp.validation.proteins import clean_proteins

RUN = RunParameters(device="cpu", seed=1, data_name="pairs by hand", scoring_batch_size=8)
EVALUATION = EvaluationParameters(threshold=0.5, replicates=100, baselines=BaselineParameters())


def source(columns: dict[str, list[str]], file: str) -> SourceTable:
    frame = pd.DataFrame(columns, dtype="str")
    return SourceTable(frame.set_axis(pd.RangeIndex(2, len(frame) + 2, name="row")), file)


def proteins_of(*entries: str) -> pd.DataFrame:
    return pd.DataFrame({"Entry": entries, "Sequence": "MALWMRLLPLLALLALWG"})


def clean(pairs: list[tuple[str, str]] | None, *entries: str, dropped=None, up_to: int = 10) -> pd.DataFrame:
    columns = pairs and dict(zip(("Protein1", "Protein2"), map(list, zip(*pairs, strict=True)), strict=True))
    raw = None if columns is None else source(columns, "new.csv")
    return clean_new_pairs(raw, proteins_of(*entries), dropped, PredictionParameters(all_pairs_up_to=up_to))[0]


def test_all_pairs_of_the_proteins_are_made_where_none_are_given(caplog):
    with caplog.at_level("INFO"):
        pairs = clean(None, "P1", "P2", "P3")
    assert pairs[["Protein1", "Protein2"]].to_numpy().tolist() == [["P1", "P2"], ["P1", "P3"], ["P2", "P3"]]
    assert (pairs["Status"] == "").all()
    assert "No pairs are given: all 3 pairs of the 3 proteins are scored" in caplog.text


@pytest.mark.parametrize(
    ("count", "words"),
    [
        (0, "Pairs must be given where features are given in place of proteins; add --params=pairs=FILE"),
        (1, "got 1 proteins with 0 pairs; give pairs by --params=pairs=FILE"),
        (6, "got 6 proteins with 15 pairs; give pairs by --params=pairs=FILE, or set prediction.all_pairs_up_to=15"),
    ],
)
def test_too_many_or_too_few_proteins_need_pairs(count, words):
    with pytest.raises(InputError, match=re.escape(words)):
        clean(None, *(f"P{number}" for number in range(count)))


def test_pair_that_cannot_be_scored_has_its_reason(caplog):
    raw = source({"Entry": ["P1", "P2", "P3", "P3"], "Sequence": ["MKTAYIAKQR", "MKJ", "M-K", "ML"]}, "proteins.csv")
    checked = clean_proteins(raw, bad_proteins="drop")
    pairs = [("P1", "P1"), ("X1", "P1"), ("P1", "P2"), ("X1", "P3"), ("X2", "X1")]
    columns = dict(zip(("Protein1", "Protein2"), map(list, zip(*pairs, strict=True)), strict=True))
    cleaned, *_ = clean_new_pairs(
        source(columns, "new.csv"), checked.proteins, checked.dropped, PredictionParameters(all_pairs_up_to=1)
    )
    of_p2, of_p3 = (
        f"{name} was left out: Sequence must hold only residues, the letters A to Z but J, got {what}; correct it"
        for name, what in (("P2", "'J' at residue 3"), ("P3", "'-' at residue 2"))
    )
    assert cleaned["Status"].tolist() == [
        "",
        "not scored: no sequence or features for X1",
        f"not scored: {of_p2}",
        f"not scored: {of_p3}; no sequence or features for X1",
        "not scored: no sequence or features for X2, X1",
    ]
    assert "4 of 5 pairs of new.csv can't be scored: 2 names are not among the 1 proteins, such as 'X1'" in caplog.text
    assert "2 proteins were left out, such as: P2 was left out: Sequence must hold only" in caplog.text


def test_nothing_to_score_is_an_error_with_examples_of_both_sides():
    words = (
        "None of the 1 pairs of new.csv can be scored: 2 names are not among the 2 proteins, such as 'p01308' (nearly"
    )
    with pytest.raises(InputError, match=re.escape(words)) as raised:
        clean([("p01308", "p0dp23")], "P01308", "P0DP23")
    assert "'p0dp23' (nearly the same is 'P0DP23'); name proteins alike in both files, or give those" in str(
        raised.value
    )
    with pytest.raises(InputError, match=r"'CALM', 'INS' \(the proteins are 'P01308', 'P0DP23'\)"):
        clean([("CALM", "INS")], "P01308", "P0DP23")


class Recorder:
    """A model that keeps the pairs it is to score."""

    architecture, network, card = "ESM2_AMPS", None, {}

    def pairs(self, features: ProteinFeatures, pairs: pd.DataFrame) -> pd.DataFrame:
        self.scored = pairs.to_numpy().tolist()
        return pairs

    def unlikeness(self, features: ProteinFeatures) -> None:
        """None, as of a model without training vectors."""


@pytest.mark.parametrize("given", ["proteins", "features"])
def test_proteins_are_found_under_other_names_which_the_result_keeps(monkeypatch, given):
    def score(network: None, pairs: pd.DataFrame, **_: object) -> PairScores:
        return PairScores(np.zeros((len(pairs), 1), "f4"), np.zeros(len(pairs), "f4"))

    monkeypatch.setattr("esm2_amp.models.scoring.score_by_members", score)
    entries = ["P01308", "ENSP00000250971.3"]
    rows = [("sp|P01308|INS_HUMAN", "X"), ("sp|P01308|INS_HUMAN", "ENSP00000250971"), ("P01308", "P01308")]
    pairs, model = clean(rows, *(entries if given == "proteins" else ())), Recorder()
    features = ProteinFeatures(pd.DataFrame({"Entry": entries}), Path(), 1, {})
    predicted = score_new_pairs(pairs, features, model, EVALUATION, RUN)
    assert model.scored == [["P01308", "ENSP00000250971.3"], ["P01308", "P01308"]]
    assert predicted[["Protein1", "Protein2"]].to_numpy().tolist() == [list(row) for row in rows]
    assert predicted["Status"].tolist() == ["not scored: no sequence or features for X", "scored", "scored"]
    assert predicted["Prediction"].isna().tolist() == [True, False, False]


def test_nothing_to_score_among_features_is_an_error():
    features = ProteinFeatures(pd.DataFrame({"Entry": ["P01308"]}), Path(), 1, {})
    with pytest.raises(InputError, match=r"None of the 1 pairs of the pair file can be scored: .* 'P1' \(the proteins"):
        score_new_pairs(clean([("P1", "P1")]), features, Recorder(), EVALUATION, RUN)
