"""The demonstration at its real size: the models that see tokens learn the planted rule, for proteins never seen."""

from pathlib import Path

import pytest
import torch
from kedro.config import OmegaConfigLoader
from sklearn.metrics import roc_auc_score

from esm2_amp.encoder.embedding import embed
from esm2_amp.encoder.loading import load_encoder
from esm2_amp.io.pairs import PairsDataset
from esm2_amp.io.proteins import ProteinsDataset
from esm2_amp.models.registry import MODELS
from esm2_amp.models.scoring import score_pairs
from esm2_amp.pairs import Pairs
from esm2_amp.parameters.feature_extraction import EmbeddingParameters
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
def features(parameters, proteins):
    options = EmbeddingParameters(**parameters["feature_extraction"]["embedding"])
    encoder = load_encoder(str(ROOT / "data/06_models/esm2_mini"))
    return embed(encoder, proteins["Sequence"].tolist(), options, CPU)


def columns(split, proteins, table):
    pairs = PairsDataset(filepath=str(PLANTED / f"{split}_pairs.csv")).load().frame
    row = {entry: number for number, entry in enumerate(proteins["Entry"])}
    a, b = (torch.tensor([row[entry] for entry in pairs[name]]) for name in ("Protein1", "Protein2"))
    return table, a, b, torch.tensor(pairs["Label"].astype("float32").to_numpy())


def test_amps_learns_the_planted_rule(parameters, proteins, features, tmp_path):
    settings = ModelParameters.model_validate(parameters["ESM2_AMPS"]["settings"])
    table = features[:, MODELS["ESM2_AMPS"].network.protein_tokens].contiguous()
    splits = ("train", "validation", "test")
    training, validation, test = (Pairs(*columns(split, proteins, table)) for split in splits)
    fit = fit_network(training, validation, settings, folder=tmp_path, device="cpu", seed=42)
    logit = score_pairs(fit.network, test, batch_size=1024, device=CPU)
    assert roc_auc_score(test.label, logit) >= 0.95
