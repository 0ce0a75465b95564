"""`kedro run --pipeline=screening`: what it writes, and what it says of input that can't be used."""

import json
import re

import networkx as nx
import numpy as np
import pandas as pd
import pytest

from conftest import ROOT, kedro_run
from esm2_amp.errors import InputError
from esm2_amp.files import SourceTable
from esm2_amp.models.storage import load_model
from esm2_amp.parameters.feature_extraction import EmbeddingParameters, ExtractionParameters
from esm2_amp.pipelines.screening.nodes import add_queries

EXAMPLES = ROOT / "data/01_raw/examples"
MODELS = ROOT / "data/06_models"
OPTIONS = f"model={MODELS}/ppi_mini,encoder={MODELS}/esm2_mini,proteins={EXAMPLES}/proteins.fasta"
NEW = "MKTAYIAKQRQISFVKSHFSRQLEERLGLIEVQAPILSRVGDGTQDNLSGAEKAVQVKVKALPDAQFEVVHSLAKWKRQTLGQHDFSAGEGLYTHMKALRPDEDR"


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A data folder whose feature store fills with the first run."""
    return tmp_path_factory.mktemp("screening")


@pytest.fixture
def screened(place, tmp_path):
    def run(options: str, *, fails: bool = False) -> str:
        done = kedro_run(place, "--pipeline=screening", f"--params={OPTIONS},output={tmp_path}/out,{options}")
        assert (done.exit_code != 0) == fails, done.output
        return " ".join(done.output.split())

    return run


def predicted(place, tmp_path, pairs: pd.DataFrame) -> pd.Series:
    """Probabilities of pairs, as the prediction gives them for one order."""
    pairs.to_csv(tmp_path / "pairs.csv", index=False)
    options = f"--params={OPTIONS},output={tmp_path}/predicted,pairs={tmp_path}/pairs.csv"
    assert kedro_run(place, "--pipeline=prediction", options).exit_code == 0
    return pd.read_csv(tmp_path / "predicted/predicted_pairs.csv")["Probability"]


def test_all_pairs_of_the_examples(screened, place, tmp_path):
    said = screened(f"known_pairs={EXAMPLES}/pairs.csv,screening.top=3,screening.threshold=0.55,"
                    "screening.prevalence=0.01,screening.most_edges=5")  # fmt: skip
    out = tmp_path / "out"
    written = {file.name for file in out.iterdir() if not file.name.startswith((".", "0"))}
    assert written == {
        *("candidates.parquet", "candidates.csv", "protein_scores.csv", "network.graphml", "network.sif"),
        *("score_distributions.csv", "known_metrics.csv", "known_curves.csv", "summary.json", "dropped_proteins.csv"),
        *("proteins_report.json", "known_pairs_report.json", "score_distributions.png", "known_pairs.png"),
        *("network.png", "network.pdf", "known_pairs.pdf", "score_distributions.pdf", "partners", "report.html"),
    }
    table = pd.read_parquet(out / "candidates.parquet")
    pd.testing.assert_frame_equal(pd.read_csv(out / "candidates.csv"), table, check_dtype=False, check_exact=False)
    assert table["Logit"].is_monotonic_decreasing
    one = predicted(place, tmp_path, table[["Protein1", "Protein2"]])
    other = predicted(place, tmp_path, table[["Protein2", "Protein1"]].set_axis(["Protein1", "Protein2"], axis=1))
    mean = (np.log(one / (1 - one)) + np.log(other / (1 - other))) / 2
    np.testing.assert_allclose(table["Logit"], mean, atol=2e-6)
    temperature = load_model(MODELS / "ppi_mini/model").card["temperature"]  # validation pairs are balanced
    odds = np.exp(table["Logit"] / temperature) * 0.01 / 0.99
    np.testing.assert_allclose(table["CalibratedProbability"], odds / (1 + odds), atol=1e-6)
    known = {frozenset(row) for row in pd.read_csv(EXAMPLES / "pairs.csv")[["Protein1", "Protein2"]].to_numpy()}
    assert table["Known"].tolist() == [frozenset(row) in known for row in table[["Protein1", "Protein2"]].to_numpy()]
    network = nx.read_graphml(out / "network.graphml")
    assert network.number_of_edges() == 5
    edge = network.edges[tuple(table.loc[0, ["Protein1", "Protein2"]])]
    assert edge["Logit"] == pytest.approx(table["Logit"][0])
    assert len((out / "network.sif").read_text().splitlines()) == 5
    passed = (table["Probability"] >= 0.55).sum()
    assert f"The network shows the best 5 of the {passed} pairs" in said
    assert "The model is not far from chance: its AUROC on its test pairs is 0.668" in said
    assert json.loads((out / "summary.json").read_text())["pairs"] == 66
    page = (out / "report.html").read_text()
    assert "ppi_mini screens proteins.fasta" in page
    assert f"The {len(table)} strongest candidates" in page
    assert "Are known pairs found?" in page


def test_queries_by_id_and_by_sequence(screened, tmp_path):
    (tmp_path / "queries.fasta").write_text(f">NEW\n{NEW}\n>sp|P01308|INS_HUMAN\n{insulin()}\n")
    said = screened(f"queries={tmp_path}/queries.fasta,screening.top=4")
    assert "2 queries, 1 of them among the 12 proteins" in said
    table = pd.read_parquet(tmp_path / "out/candidates.parquet")
    assert set(table["Protein1"]) == {"P01308"} | set(table.loc[table["Protein2"] == "NEW", "Protein1"])
    assert table.loc[table["Protein2"] == "NEW", "Rank2"].tolist()[:4] == [1, 2, 3, 4]
    partners = {file.stem: pd.read_csv(file) for file in (tmp_path / "out/partners").iterdir()}
    assert set(partners) == {"NEW", "P01308"}
    assert partners["NEW"]["Rank"].tolist()[:4] == [1, 2, 3, 4]
    (tmp_path / "queries.txt").write_text("sp|P01308|INS_HUMAN\n")
    screened(f"queries={tmp_path}/queries.txt,screening.top=4")
    again = pd.read_csv(tmp_path / "out/partners/P01308.csv")
    own = partners["P01308"][partners["P01308"]["Partner"] != "NEW"].head(3)
    assert again["Partner"].tolist()[:3] == own["Partner"].tolist()
    assert [file.name for file in (tmp_path / "out/partners").iterdir()] == ["P01308.csv"]


def insulin() -> str:
    lines = (EXAMPLES / "proteins.fasta").read_text().split(">")
    return next("".join(part.splitlines()[1:]) for part in lines if part.startswith("sp|P01308|"))


@pytest.mark.parametrize(
    ("options", "files", "words"),
    [
        ("queries={}/q.txt", {"q.txt": "X99999\nP01308"},
         r"q.txt: queries must be among the 12 proteins or be given with their sequences, but 1 are not, such as "
         r"'X99999' .*give the queries as FASTA"),
        ("queries={}/q.fasta", {"q.fasta": f">P01308\n{NEW}"},
         r"the query P01308 must have the sequence that it has among the proteins, got another one; give the query"),
        ("queries={}/q.csv", {"q.csv": "Entry,Sequence\nN1,MK1\n"}, r"q.csv row 2: Sequence must hold only residues"),
        ("known_pairs={}/k.csv", {"k.csv": "Protein1,Protein2\nX1,X2\n"},
         r"None of the 1 pairs of .*k.csv can be scored"),
        ("known_pairs={}/k.csv", {"k.csv": "Protein1,Protein2,Label\nP01308,P0DP23,0\n"},
         r"known pairs must be labelled 1 or have no label"),
        ("screening.threshold=1.5", {}, r"screening.threshold: Input should be less than 1, got 1.5"),
        ("screening.most_candidates=20,screening.top=1,screening.threshold=0.05", {},
         r"pairs would reach screening.threshold 0.0500, .*most_candidates is 20; give --params=screening.threshold=0"),
        ("screening.most_candidates=20", {}, r"are up to 66 pairs, but screening.most_candidates is 20; give .*top=1"),
        ("queries=nowhere.txt", {}, r"nowhere.txt: there is no such file"),
        ("cluster=nowhere", {}, r"cluster must be the address of a running Dask scheduler.*, got 'nowhere'"),
    ],
)  # fmt: skip
def test_bad_input_is_told(options, files, words, screened, tmp_path):
    for name, content in files.items():
        (tmp_path / name).write_text(content)
    said = screened(options.format(tmp_path), fails=True)
    assert re.search(words, said), said
    assert not (tmp_path / "out/candidates.parquet").exists()


def test_known_pairs_of_unknown_proteins_are_counted(screened, tmp_path):
    (tmp_path / "k.csv").write_text("Protein1,Protein2\nP01308,P0DP23\nP01308,X1\n")
    said = screened(f"known_pairs={tmp_path}/k.csv,screening.top=2")
    assert "1 of 2 pairs of" in said and "can't be scored: 1 names are not among the 12 proteins, such as 'X1'" in said
    assert json.loads((tmp_path / "out/known_pairs_report.json").read_text())["kept"] == 1


def test_one_protein_is_told(place, tmp_path):
    (tmp_path / "one.fasta").write_text(f">N1\n{NEW}\n")
    options = f"model={MODELS}/ppi_mini,encoder={MODELS}/esm2_mini,proteins={tmp_path}/one.fasta,output={tmp_path}/out"
    done = kedro_run(place, "--pipeline=screening", f"--params={options}")
    assert done.exit_code == 1
    assert "A screen needs at least two proteins, got N1 alone; give the proteome" in " ".join(done.output.split())


def test_more_partners_than_there_are_and_a_threshold_that_nothing_passes(screened):
    said = screened("screening.threshold=0.99")
    assert "screening.top is 100, but a protein has 11 partners: all of them are kept" in said
    assert re.search(r"No pair reaches screening.threshold 0.99: the highest probability is 0\.[678]\d+; the", said)


def test_a_model_without_a_card_takes_no_prevalence(place, golden, tmp_path):
    features = f"proteins={EXAMPLES}/proteins.fasta,encoder={golden}/esm2_tiny"
    options = f"model=ESM2_DPM,checkpoint={golden}/ESM2_DPM.pth,{features},output={tmp_path}/out"
    done = kedro_run(place, "--pipeline=screening", f"--params={options},screening.prevalence=0.001")
    assert done.exit_code == 1
    assert "screening.prevalence=0.001 moves probabilities" in " ".join(done.output.split())


EXTRACTION = ExtractionParameters(
    embedding=EmbeddingParameters(precision="float32", whole_up_to=150, window=100, overlap=20),
    stored_as="float32",
    shard_residues=100,
)


def test_a_query_that_was_left_out_of_the_proteins_has_its_reason():
    raw = SourceTable(pd.DataFrame({"Entry": ["P2"], "Sequence": [""]}, index=pd.Index([1], name="line")), "q.txt")
    proteome = pd.DataFrame({"Entry": ["P1"], "Sequence": ["MK"]}, dtype="str")
    dropped = pd.DataFrame({"Entry": ["P2"], "Problem": ["Sequence is empty"]}, dtype="str")
    with pytest.raises(InputError, match=r"q.txt: the query P2 was left out of the proteins: Sequence is empty"):
        add_queries(raw, proteome, dropped, EXTRACTION)
