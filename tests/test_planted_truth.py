"""The demonstration at its real size: the models that see tokens learn the planted rule, for proteins never seen.

What the score rests on is then known to the residue, and the explanation must point there.
"""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from kedro.config import OmegaConfigLoader
from sklearn.metrics import roc_auc_score

from esm2_amp.encoder.embedding import embed
from esm2_amp.encoder.loading import load_encoder
from esm2_amp.explanation.gradients import integrated_gradients, mean_pair
from esm2_amp.explanation.planted_residues import planted_residues
from esm2_amp.explanation.residues import ResidueSource, residue_attributions
from esm2_amp.io.pairs import PairsDataset
from esm2_amp.io.proteins import ProteinsDataset
from esm2_amp.io.sites import SitesDataset
from esm2_amp.models.registry import MODELS
from esm2_amp.models.scoring import score_pairs
from esm2_amp.pairs import Pairs
from esm2_amp.parameters.feature_extraction import EmbeddingParameters
from esm2_amp.parameters.interpretability import InterpretabilityParameters
from esm2_amp.parameters.model_training import ModelParameters
from esm2_amp.settings import CONFIG_LOADER_ARGS
from esm2_amp.training.fit import fit_network

ROOT = Path(__file__).parents[1]
PLANTED = ROOT / "data/01_raw/planted"
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def parameters():
    return OmegaConfigLoader(str(ROOT / "conf"), env="base", **CONFIG_LOADER_ARGS)["parameters"]


@pytest.fixture(scope="module")
def proteins():
    return ProteinsDataset(filepath=str(PLANTED / "proteins.fasta")).load().frame


@pytest.fixture(scope="module")
def encoder():
    return load_encoder(str(ROOT / "data/06_models/esm2_mini"))


@pytest.fixture(scope="module")
def options(parameters):
    return EmbeddingParameters(**parameters["feature_extraction"]["embedding"])


@pytest.fixture(scope="module")
def splits(proteins, encoder, options):
    """The pairs of each split."""
    features = embed(encoder, proteins["Sequence"].tolist(), options, CPU)
    table = features[:, MODELS["ESM2_AMPS"].network.protein_tokens].contiguous()
    return {split: Pairs(*columns(split, proteins, table)) for split in ("train", "validation", "test")}


@pytest.fixture(scope="module")
def network(parameters, splits, tmp_path_factory):
    settings = ModelParameters.model_validate(parameters["ESM2_AMPS"]["settings"])
    folder = tmp_path_factory.mktemp("training")
    return fit_network(splits["train"], splits["validation"], settings, folder=folder, device="cpu", seed=42).network


def columns(split, proteins, table):
    pairs = PairsDataset(filepath=str(PLANTED / f"{split}_pairs.csv")).load().frame
    row = {entry: number for number, entry in enumerate(proteins["Entry"])}
    a, b = (torch.tensor([row[entry] for entry in pairs[name]]) for name in ("Protein1", "Protein2"))
    return table, a, b, torch.tensor(pairs["Label"].astype("float32").to_numpy())


def test_amps_learns_the_planted_rule(splits, network):
    logit = score_pairs(network, splits["test"], batch_size=1024, device=CPU)
    assert roc_auc_score(splits["test"].label, logit) >= 0.95


def test_residues_point_at_the_planted_motifs(parameters, proteins, encoder, options, splits, network):
    logit = score_pairs(network, splits["test"], batch_size=1024, device=CPU)
    found = np.flatnonzero((splits["test"].label.numpy() == 1) & (logit > 0))
    rows = np.sort(np.random.default_rng(0).choice(found, 40, replace=False))
    table = splits["test"].table
    of_rows = torch.stack([splits["test"].a, splits["test"].b], dim=1)[torch.from_numpy(rows)]
    used, numbers = torch.unique(of_rows, return_inverse=True)
    pairs = Pairs(table[used], *numbers.T.contiguous())
    entries = proteins["Entry"].to_numpy()[of_rows.numpy()]
    explained = pd.DataFrame({"Protein1": entries[:, 0], "Protein2": entries[:, 1], "Label": 1, "Prediction": 1})
    baseline = mean_pair(splits["train"].take(np.arange(200)))
    interpretability = InterpretabilityParameters.model_validate(parameters["interpretability"])
    tokens = integrated_gradients(
        network,
        pairs,
        baseline=baseline,
        parameters=interpretability.integrated_gradients,
        device=CPU,
        keep_gradient=True,
    )
    source = ResidueSource(dict(zip(proteins["Entry"], proteins["Sequence"], strict=True)), encoder, options, CPU)
    residues = residue_attributions(tokens, explained, pairs, baseline, network, source)
    assert residues.error.max() < 1e-4
    sites = SitesDataset(str(PLANTED / "sites.csv")).load()
    given = interpretability.residues
    of_motifs = planted_residues(
        {"residues": residues.values}, explained, sites, top=given.top, near=given.near, smoothing=given.smoothing
    ).iloc[0]
    assert of_motifs["MedianShare"] >= 0.6 > 5 * of_motifs["ShareByChance"]
    assert of_motifs["AtMotif"] >= 0.8 > 4 * of_motifs["AtMotifByChance"]
