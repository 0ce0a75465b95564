"""`kedro run --pipeline=prediction` and its nodes: which pairs are scored, and what is said of the others."""

import gzip
import re
from pathlib import Path

import pandas as pd
import pytest
import torch

from conftest import ROOT, kedro_run
from esm2_amp.errors import InputError
from esm2_amp.features import ProteinFeatures
from esm2_amp.files import SourceTable
from esm2_amp.interface import predict
from esm2_amp.models.dpm import ESM2DPM
from esm2_amp.pairs import Pairs
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

    architecture, card = "ESM2_DPM", {}

    def __init__(self) -> None:
        self.network = ESM2DPM(1, 2, 2, 2)

    def pairs(self, features: ProteinFeatures, pairs: pd.DataFrame) -> Pairs:
        self.scored = pairs.to_numpy().tolist()
        return Pairs(torch.zeros(1, 1, 1), *torch.zeros(2, len(pairs), dtype=torch.int64))

    def unlikeness(self, features: ProteinFeatures) -> None:
        """None, as of a model without training vectors."""


@pytest.mark.parametrize("given", ["proteins", "features"])
def test_proteins_are_found_under_other_names_which_the_result_keeps(given):
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


EXAMPLES, MODELS = ROOT / "data/01_raw/examples", ROOT / "data/06_models"
OPTIONS = f"model={MODELS}/ppi_mini,encoder={MODELS}/esm2_mini,proteins={EXAMPLES}/proteins.fasta"
NEW_PAIRS = [("P01308", "P0DP23", 1), ("sp|P0DP23|CALM", "P01308", 0), ("X1", "P01308", 1), ("P01308", "P01308", 0)]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A data folder whose feature store fills with the first run."""
    return tmp_path_factory.mktemp("prediction")


@pytest.fixture
def predicted(place, tmp_path):
    def run(options: str, *, fails: bool = False) -> str:
        done = kedro_run(place, "--pipeline=prediction", f"--params={OPTIONS},output={tmp_path}/out,{options}")
        assert (done.exit_code != 0) == fails, done.output
        return " ".join(done.output.split())

    return run


def write_pairs(file: Path) -> Path:
    table = pd.DataFrame(NEW_PAIRS, columns=["Protein1", "Protein2", "Label"])
    if file.suffix == ".parquet":
        table.to_parquet(file, index=False)
    elif file.suffix == ".xlsx":
        table.to_excel(file, index=False)
    else:
        text = table.to_csv(index=False, sep="\t").encode()
        file.write_bytes(gzip.compress(text) if file.suffix == ".gz" else text)
    return file


@pytest.mark.parametrize(("given", "written"), [("txt.gz", "parquet"), ("parquet", "csv.gz"), ("xlsx", "csv")])
def test_files_of_any_kind_have_the_rows_of_the_python_interface(predicted, tmp_path, given, written):
    pairs, result = write_pairs(tmp_path / f"pairs.{given}"), tmp_path / f"result.{written}"
    said = predicted(f"pairs={pairs},predicted_pairs={result}")
    found = pd.read_parquet(result) if written == "parquet" else pd.read_csv(result)
    expected = predict(EXAMPLES / "proteins.fasta", NEW_PAIRS, MODELS / "ppi_mini", encoder=MODELS / "esm2_mini")
    found["Prediction"] = found["Prediction"].astype("Int8")  # pandas reads float64 where some are missing
    pd.testing.assert_frame_equal(found, expected, check_dtype=False, rtol=1e-6)
    assert found["Status"].tolist() == [
        "scored", "scored", "not scored: no sequence or features for X1", "scored",
    ]  # fmt: skip
    assert "3 of 4 pairs scored by ppi_mini" in said and result.name in said
    assert not (tmp_path / "out/predicted_pairs.csv").exists()


@pytest.mark.parametrize(
    ("options", "content", "words"),
    [
        ("predicted_pairs=p.xlsx", "P01308,P0DP23\n", r"must be a file whose name ends in one of .csv, .csv.gz, .parq"),
        ("", "P01308,P0DP23\n" * 200_000 + "P01308,\n", r"row 200002: Protein2 must name a protein, got an empty cell"),
        ("", "P01308,P0DP23\n" * 200_000 + "P01308\n", r"row 200002: must have 2 cells as the header has, got 1"),
        ("", "X1,P01308\n" * 3, r"None of the 3 pairs of .*pairs.csv can be scored: 1 names are not among the 12"),
        ("", "", r"must have a header and at least one row, got only a header"),
    ],
)
def test_bad_input_is_told_before_anything_is_scored(predicted, tmp_path, options, content, words):
    (tmp_path / "pairs.csv").write_text(f"Protein1,Protein2\n{content}")
    (tmp_path / "out").mkdir()
    (tmp_path / "out/predicted_pairs.csv").write_text("of an earlier run")
    said = predicted(f"pairs={tmp_path}/pairs.csv,{options}", fails=True)
    assert re.search(words, said), said
    assert "extract_features" not in said
    assert (tmp_path / "out/predicted_pairs.csv").read_text() == "of an earlier run"
    assert not (tmp_path / "out/05_model_input").exists() or not any((tmp_path / "out/05_model_input").rglob("*.npz"))


def test_a_cluster_that_is_not_there_is_told_before_the_first_step(predicted, tmp_path):
    pairs = write_pairs(tmp_path / "pairs.tsv")
    said = predicted(f"pairs={pairs},cluster=nowhere", fails=True)
    assert "[1/" not in said
    assert "cluster must be the address of a running Dask scheduler, as tcp://host:8786, got 'nowhere'" in said
    assert "start one with `dask scheduler`, or leave it out" in said


def test_a_finished_prediction_is_not_scored_again(predicted, tmp_path):
    pairs = write_pairs(tmp_path / "pairs.tsv")
    predicted(f"pairs={pairs}")
    first = (tmp_path / "out/predicted_pairs.csv").read_bytes()
    (tmp_path / "out/predicted_pairs.csv").unlink()
    assert "3 of 3 pairs were scored by an earlier run" in predicted(f"pairs={pairs}")
    assert (tmp_path / "out/predicted_pairs.csv").read_bytes() == first
