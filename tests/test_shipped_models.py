"""What ships with the project: esm2_mini, ppi_mini and the example proteins."""

import gzip
import json
import re

import numpy as np
import pandas as pd
import pytest
from Bio import SeqIO

from conftest import ROOT, context_of, kedro_run
from esm2_amp.encoder.loading import load_encoder
from esm2_amp.models.storage import load_model

ENCODER, MODEL = ROOT / "data/06_models/esm2_mini", ROOT / "data/06_models/ppi_mini"
EXAMPLES = ROOT / "data/01_raw/examples"
MEGABYTE = 2**20
KNOWN = [("P63165", "P63279"), ("P62826", "P61970"), ("P61244", "P01106"), ("P12004", "P38936")]
"""Pairs of which the examples' README says that they bind."""


def size_of(folder):
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def example_sequences():
    return {record.id.split("|")[1]: str(record.seq) for record in SeqIO.parse(EXAMPLES / "proteins.fasta", "fasta")}


def test_example_sequences_are_those_of_uniprot(shared):
    with gzip.open(shared / "bernett/proteins.fasta.gz", "rt") as file:
        published = {record.id: str(record.seq) for record in SeqIO.parse(file, "fasta")}
    common = example_sequences().keys() & published.keys()
    assert len(common) >= 10
    assert {name: example_sequences()[name] for name in common} == {name: published[name] for name in common}


def test_shipped_weights_are_small_and_belong_together():
    assert size_of(ENCODER) < 8 * MEGABYTE
    assert size_of(MODEL) < 12 * MEGABYTE
    card = load_model(MODEL / "model").card
    assert card["features"]["fingerprint"] == load_encoder(str(ENCODER)).fingerprint
    assert card["name"] == "ppi_mini"


def test_cards_show_the_figures_that_were_measured():
    card, page = load_model(MODEL / "model").card, (MODEL / "README.md").read_text()
    rows = re.findall(r"^\| `?([\w ]+)`? \| (.*) \|$", page, flags=re.MULTILINE)
    shown = {name.replace(" ", "_"): cells.split(" | ") for name, cells in rows}
    for name, metrics in card["evaluation"]["metrics"].items():
        row = next(cells for shown_name, cells in shown.items() if shown_name.lower() == name.lower())
        for cell, (value, *_) in zip(row, metrics.values(), strict=True):
            assert cell.startswith("– (" if value is None else f"{value:.3f} (")
    fingerprint = json.loads((ENCODER / "config.json").read_text())["esm2_amp_fingerprint"]
    assert fingerprint in (ENCODER / "README.md").read_text()


def test_examples_are_scored_by_the_shipped_models(tmp_path):
    files = f"proteins={EXAMPLES / 'proteins.fasta'},pairs={EXAMPLES / 'pairs.csv'}"
    run = kedro_run(
        tmp_path, "--pipeline=prediction", f"--params={files},encoder={ENCODER},checkpoint={MODEL / 'model'}"
    )
    assert run.exit_code == 0, run.output
    found = pd.read_csv(tmp_path / "07_model_output/predicted_pairs.csv")
    assert len(found) == 66
    assert found[["Probability", "CalibratedProbability"]].notna().all(axis=None)
    temperature = load_model(MODEL / "model").card["temperature"]
    logit = np.log(found["Probability"] / (1 - found["Probability"]))
    assert found["CalibratedProbability"].to_numpy() == pytest.approx(1 / (1 + np.exp(-logit / temperature)))
    pairs = {frozenset(pair) for pair in found[["Protein1", "Protein2"]].itertuples(index=False)}
    assert pairs >= {frozenset(pair) for pair in KNOWN}


def test_prediction_uses_the_shipped_models_by_default(tmp_path):
    _, catalog = context_of("base", tmp_path)
    expected = {
        "model": MODEL / "model",
        "proteins_raw": EXAMPLES / "proteins.fasta",
        "pairs_raw": EXAMPLES / "pairs.csv",
    }
    assert {name: ROOT / catalog.get(f"prediction.{name}")._filepath for name in expected} == expected
    assert catalog.get("encoder")._source == str(ENCODER.relative_to(ROOT))
