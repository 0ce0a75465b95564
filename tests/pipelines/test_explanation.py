"""Given pairs explained by an existing model."""

import numpy as np
import pandas as pd
import pytest
from safetensors.torch import load_file

from conftest import ROOT, kedro_run
from esm2_amp.explanation.attention import READINGS
from esm2_amp.io.feature_store import FeatureStoreDataset
from esm2_amp.models.storage import AVERAGE_PROTEIN
from esm2_amp.protein import pair_token_names

COLUMNS = ["Protein1", "Protein2", "Side", "Token", "Method", "Importance"]


@pytest.fixture
def planted(data):
    return data / "01_raw/planted"


@pytest.fixture
def one(data, tmp_path):
    """A pair that the demonstration explains, without its label."""
    pairs = pd.read_parquet(data / "07_model_output/ESM2_AMPS/explanation/explained_pairs.parquet")
    pairs[["Protein1", "Protein2"]][:1].to_csv(tmp_path / "one.csv", index=False)
    return tmp_path / "one.csv"


def page_of(output):
    return " ".join((output / "report.html").read_text().split())


def test_a_single_pair_has_the_attention_that_the_demonstration_found(data, go, planted, one, tmp_path):
    output = tmp_path / "out"
    go("--pipeline=explanation", f"--params=proteins={planted}/proteins.fasta,pairs={one},model=ESM2_AMPS,"
       f"regions={planted}/regions.tsv,output={output}")  # fmt: skip
    found = pd.read_csv(output / "token_importance.csv")
    assert list(found) == COLUMNS
    assert len(found) == 20 * 4
    earlier = data / "07_model_output/ESM2_AMPS/explanation"
    for method, table in found.groupby("Method"):
        expected = pd.read_parquet(earlier / f"{method}_importance.parquet").iloc[0]
        assert (table["Side"] + "_" + table["Token"]).tolist() == pair_token_names(slice(1, 11))
        if method in READINGS:  # Integrated Gradients of the demonstration start from other pairs
            np.testing.assert_allclose(table["Importance"], expected.loc[pair_token_names(slice(1, 11))].astype(float),
                                       rtol=1e-4)  # fmt: skip
    scored = pd.read_parquet(output / "explained_pairs.parquet").iloc[0]
    assert scored["Seen"] == "C3"
    assert scored["Probability"] == pytest.approx(expected["Probability"], rel=1e-5)
    assert "Label" not in scored
    residues = pd.read_csv(output / "residues.csv")
    assert list(residues) == ["Protein1", "Protein2", "Side", "Residue", "AminoAcid", "Attribution", "ScanEffect"]
    contributions = pd.read_parquet(output / "explanation/integrated_gradients_contributions.parquet").iloc[0]
    for side in "AB":
        of_side = residues.query("Side == @side")
        tokens = contributions[[f"{side}_segment{number}" for number in range(10)]].astype(float)
        assert of_side["Attribution"].sum() == pytest.approx(tokens.sum(), abs=1e-4)
        assert of_side["Residue"].tolist() == list(range(1, len(of_side) + 1))
        assert of_side["ScanEffect"].notna().all()
    assert {file.suffix for file in (output / "residue_tracks").iterdir()} == {".bedgraph", ".defattr"}
    assert len(pd.read_csv(output / "both_views.csv")) == len(pd.read_csv(output / "residue_enrichment.csv"))
    page = page_of(output)
    assert "1 pair of one.csv" in page
    assert "Masking the residues named first by Integrated Gradients lowers the logit by" in page
    assert "(1 pair, too few for an interval;" in page
    masked = pd.read_csv(output / "residue_deletion_pairs.csv")
    assert masked["Method"].tolist() == ["Attribution", "ScanEffect"]
    assert (masked["Placements"] == 2).all()
    assert len(pd.read_csv(output / "residue_agreement.csv")) == 2
    assert "The windows of residues that add most" in page
    assert "planted interactome" not in page.replace("trained on the planted interactome", "")
    assert (output / "hit_rates.csv").stat().st_size > 0
    assert len(list((output / "pairs").glob("*.png"))) == 1


def test_gradients_start_from_the_average_protein_of_the_models_training(data, go, planted, tmp_path):
    go("--pipeline=explanation", f"--params=proteins={planted}/proteins.fasta,pairs={planted}/test_pairs.csv,"
       f"model=ESM2_GRU,interpretability.integrated_gradients.max_steps=256,output={tmp_path}")  # fmt: skip
    contributions = pd.read_parquet(tmp_path / "explanation/integrated_gradients_contributions.parquet")
    tokens = contributions[pair_token_names(slice(1, 11))].sum(axis=1)
    difference = contributions["Logit"] - contributions["BaselineLogit"]
    np.testing.assert_allclose(tokens, difference, atol=0.01 * difference.abs().max())
    assert pd.read_csv(tmp_path / "token_importance.csv")["Method"].unique().tolist() == ["integrated_gradients"]
    assert set(pd.read_parquet(tmp_path / "explained_pairs.parquet")["Label"]) == {0, 1}


def test_a_trained_model_knows_the_average_protein_of_its_training_pairs(demonstration_run):
    data = demonstration_run.folder
    stored = load_file(data / "06_models/ESM2_GRU/model" / AVERAGE_PROTEIN)["vectors"]
    index = str(data / "04_feature/protein_features.parquet")
    features = FeatureStoreDataset(path=str(data / "04_feature/store"), filepath=index).load()
    pairs = pd.read_csv(data / "01_raw/planted/train_pairs.csv")
    rows = [features.entries.index(name) for name in [*pairs["Protein1"], *pairs["Protein2"]]]
    expected = features.select(slice(1, 11))[rows].double().mean(dim=0)
    np.testing.assert_allclose(stored, expected, atol=1e-5)


def test_a_model_of_whole_proteins_is_explained_by_its_two_vectors(data, go, planted, one, tmp_path):
    output = tmp_path / "out"
    given = f"--params=proteins={planted}/proteins.fasta,pairs={one},model=ESM2_DPM,output={output}"
    assert "has no attention" in " ".join(go("--pipeline=explanation", given).split())
    found = pd.read_csv(output / "token_importance.csv")
    assert found["Token"].tolist() == ["mean", "mean"]
    assert found["Side"].tolist() == ["A", "B"]
    assert pd.read_csv(output / "residues.csv")["Attribution"].notna().all()
    assert "one vector of each protein, the mean over all its residues, and no segments" in page_of(output)


def test_regions_of_a_model_of_whole_proteins_are_those_of_its_residues(data, go, planted, one, tmp_path):
    output = tmp_path / "out"
    given = f"--params=proteins={planted}/proteins.fasta,pairs={one},model=ESM2_DPM,regions={planted}/regions.tsv"
    said = go("--pipeline=explanation", f"{given},output={output}")
    assert "segments are ranked by what their residues add together" in " ".join(said.split())
    residues = pd.read_csv(output / "residues.csv")
    top = pd.read_csv(output / "segment_coverage.csv").query("Selection == 'Top' and Rank == 1").iloc[0]
    sums = {
        f"{side}_segment{number}": part.sum()
        for side, values in residues.groupby("Side")["Attribution"]
        for number, part in enumerate(np.array_split(values.to_numpy(), 10))
    }
    assert top["Token"] == max(sums, key=sums.__getitem__)
    assert len(pd.read_csv(output / "residue_enrichment.csv"))
    refused = kedro_run(data, "--pipeline=explanation", f"{given},explanation.residues_up_to=0,output={output}")
    assert "its residues aren't explained" in " ".join(refused.output.split())


def test_a_model_without_an_average_protein_starts_from_that_of_the_given_ones(data, go, planted, one, tmp_path):
    (data / "06_models/ESM2_AMPS/model" / AVERAGE_PROTEIN).unlink()
    given = f"--params=proteins={planted}/proteins.fasta,pairs={one},model=ESM2_AMPS,output={tmp_path}/out"
    output = " ".join(go("--pipeline=explanation", given).split())
    assert "from the average of the 2 given proteins" in output
    assert "2 proteins, 2 different sequences" in output


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ("explained_by=gini", "regions_by"),
        ("explained_by=attention,model=ESM2_GRU", "explained_by must be one of the methods"),
        ("interpretability.chosen_pairs=A-B", "must be pairs of the given split"),
        ("interpretability.methods=attention,model=ESM2_GRU", "has no attention, by which it should be explained"),
        ("regions=nowhere.tsv", "there is no such file"),
        ("cluster=nowhere", "cluster must be the address of a running Dask scheduler"),
    ],
)
def test_what_cannot_be_explained(data, planted, one, options, words, tmp_path):
    model = "" if "model=" in options else ",model=ESM2_AMPS"
    regions = "" if "regions=" in options else f",regions={planted}/regions.tsv"
    given = f"proteins={planted}/proteins.fasta,pairs={one}{model}{regions},{options},output={tmp_path}/out"
    done = kedro_run(data, "--pipeline=explanation", f"--params={given}")
    assert done.exit_code == 1
    assert words in " ".join(done.output.split())
    assert not (tmp_path / "out/report.html").exists()


def test_shipped_models_hold_their_average_protein():
    for name, tokens in (("ppi_mini", 10), ("ppi_mini_amps", 10)):
        stored = load_file(ROOT / "data/06_models" / name / "model" / AVERAGE_PROTEIN)["vectors"]
        assert stored.shape == (tokens, 256)


def test_imported_features_have_no_residues(data, go, planted, one, tmp_path):
    go("--pipeline=feature_export")
    features = data / "04_feature/published_layout.h5"
    given = f"--params=features={features},pairs={one},model=ESM2_AMPS,output={tmp_path}/out"
    assert "Residues aren't explained" in " ".join(go("--pipeline=explanation", given).split())
    assert pd.read_csv(tmp_path / "out/residues.csv").empty
    assert len(pd.read_csv(tmp_path / "out/token_importance.csv")) == 20 * 4


def test_long_proteins_are_not_scanned(data, go, planted, one, tmp_path):
    given = f"proteins={planted}/proteins.fasta,pairs={one},model=ESM2_AMPS,explanation.scanned_up_to=20"
    assert "No pair is scanned" in go("--pipeline=explanation", f"--params={given},output={tmp_path}/out")
    residues = pd.read_csv(tmp_path / "out/residues.csv")
    assert residues["ScanEffect"].isna().all()
    assert residues["Attribution"].notna().all()
    assert pd.read_csv(tmp_path / "out/residue_deletion.csv").empty
    assert not (tmp_path / "out/residue_deletion.png").exists()
    assert "Masking the residues" not in page_of(tmp_path / "out")


def test_residues_can_be_left_out(data, go, planted, one, tmp_path):
    given = f"proteins={planted}/proteins.fasta,pairs={one},model=ESM2_AMPS,explanation.residues_up_to=0"
    go("--pipeline=explanation", f"--params={given},regions={planted}/regions.tsv,output={tmp_path}/out")
    assert pd.read_csv(tmp_path / "out/residues.csv").empty
    assert (tmp_path / "out/hit_rates.csv").exists()
