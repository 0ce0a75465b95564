"""What an accelerator computes, held against the CPU, and how fast it is: `pytest -m accelerator -s`.

Without one (CUDA or MPS) the CPU is held against itself, and no speeds are measured. The speeds are of published sizes
with random weights: the encoder of 650 million parameters on proteins of up to 512 residues, and the training and the
scores of ESM2_AMPS at D = 1280. They are printed as lines to report, beside what the published work needed on an A100.
"""

import platform
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from conftest import ROOT, kedro_run_alone
from esm2_amp.devices import resolve_device
from esm2_amp.encoder.embedding import embed
from esm2_amp.encoder.loading import Encoder, load_encoder
from esm2_amp.encoder.pretraining import small_esm2_config
from esm2_amp.encoder.weights import EsmWeights
from esm2_amp.explanation.gradients import integrated_gradients, mean_pair
from esm2_amp.models.base import PairNetwork
from esm2_amp.models.registry import MODELS, build_network
from esm2_amp.pairs import Pairs
from esm2_amp.parameters.feature_extraction import EmbeddingParameters
from esm2_amp.parameters.interpretability import GradientParameters
from esm2_amp.parameters.model_training import ModelParameters
from esm2_amp.parameters.screening import ScreeningParameters
from esm2_amp.precision import resolve_precision
from esm2_amp.protein import RESIDUES
from esm2_amp.screening.engine import Work, screen
from esm2_amp.screening.kept import Keeping, Watch
from esm2_amp.screening.rows import RowScorer
from esm2_amp.screening.tiles import WantedPairs
from esm2_amp.training.fit import fit_network

pytestmark = pytest.mark.accelerator

CPU, DEVICE = torch.device("cpu"), resolve_device("auto")
WIDTH, PROTEINS = 32, 40
WHOLE = {"whole_up_to": 1022, "window": 1022, "overlap": 100}
PUBLISHED = yaml.safe_load((ROOT / "conf/esm2_650m/parameters.yml").read_text())["ESM2_AMPS"]["settings"]
NETWORKS = {
    "ESM2_AMPS": {"h1": 16, "h2": 8, "layers": 2, "heads": 4, "feed_forward": 64, "dropout": 0.0},
    "ESM2_AMP_CSE": {"h1": 16, "h2": 8, "layers": 2, "heads": 4, "feed_forward": 64, "dropout": 0.0},
    "ESM2_DPM": {"h1": 32, "h2": 16, "h3": 8},
    "ESM2_GRU": {"h1": 16, "h2": 8, "layers": 2, "dropout": 0.0},
    "ESM2_MEAN": {"h1": 16, "h2": 8},
    "ESM2_SIAM": {"h1": 24, "h2": 16, "h3": 8},
}
needs_accelerator = pytest.mark.skipif(DEVICE.type == "cpu", reason="no accelerator: no speeds to report")


def settings_of(architecture: str) -> ModelParameters:
    training = {"learning_rate": 3e-3, "weight_decay": 1e-2, "batch_size": 16, "epochs": 3}
    return ModelParameters(
        network={"architecture": architecture, **NETWORKS[architecture]},
        training={**training, "plateau": {"factor": 0.5, "patience": 5, "floor": 1e-8}},
    )


def network_of(architecture: str) -> PairNetwork:
    torch.manual_seed(0)
    return build_network(settings_of(architecture).network, WIDTH).eval()


def table_of(network: PairNetwork, proteins: int = PROTEINS, width: int = WIDTH) -> torch.Tensor:
    tokens = len(range(13)[network.protein_tokens])
    return torch.randn(proteins, tokens, width, generator=torch.Generator().manual_seed(1))


def labelled_pairs(table: torch.Tensor, pairs: int, seed: int) -> Pairs:
    """A pair interacts when the sum of both proteins' first coordinates is positive."""
    a, b = torch.randint(len(table), (2, pairs), generator=torch.Generator().manual_seed(seed))
    strength = table.mean(dim=1)[:, 0]
    return Pairs(table, a, b, (strength[a] + strength[b] > 0).float())


def sequences_of(lengths: range | np.ndarray, seed: int = 0) -> list[str]:
    rng = np.random.default_rng(seed)
    return ["".join(rng.choice(list(RESIDUES[:20]), length)) for length in lengths]


def assert_close(found: torch.Tensor | np.ndarray, expected: torch.Tensor | np.ndarray, share: float) -> None:
    """Equal within a share of the largest value."""
    found, expected = np.asarray(found), np.asarray(expected)
    np.testing.assert_allclose(found, expected, rtol=0, atol=share * np.abs(expected).max())


@pytest.mark.parametrize(("precision", "share"), [("float32", 1e-4), ("auto", 0.05)])
def test_vectors_are_those_of_the_cpu(precision, share, golden):
    encoder, sequences = load_encoder(str(golden / "esm2_tiny")), sequences_of(range(10, 400, 13))
    exact = embed(encoder, sequences, EmbeddingParameters(precision="float32", **WHOLE), CPU)
    options = EmbeddingParameters(precision=resolve_precision(precision, DEVICE), **WHOLE)
    assert_close(embed(encoder, sequences, options, DEVICE), exact, share)


@pytest.mark.parametrize("architecture", NETWORKS)
def test_scores_are_those_of_the_cpu(architecture):
    network = network_of(architecture)
    table, (a, b) = table_of(network), np.random.default_rng(2).integers(PROTEINS, size=(2, 500))
    exact = RowScorer(network, table, CPU).scores(a, b).logit
    assert_close(RowScorer(network, table, DEVICE).scores(a, b).logit, exact, 1e-4)


@pytest.mark.parametrize("architecture", NETWORKS)
def test_screen_is_that_of_the_cpu(architecture, tmp_path):
    network, everybody = network_of(architecture), np.ones(PROTEINS, bool)
    table, wanted = table_of(network), WantedPairs.of(everybody, everybody, self_pairs=False)
    parameters = ScreeningParameters(top=PROTEINS - 1, threshold=0.99)
    partners = {}
    for device in ("cpu", DEVICE.type):
        keeping = Keeping(parameters.top, 10.0, Watch.nothing(PROTEINS))
        work = Work(network_of(architecture), device, "float32", wanted, keeping)
        partners[device] = screen(work, table, tmp_path / device, parameters).partners()
    assert_close(partners[DEVICE.type][1], partners["cpu"][1], 1e-4)  # logits, the highest of each protein first


@pytest.mark.parametrize("architecture", NETWORKS)
def test_fit_makes_the_steps_of_the_cpu(architecture, tmp_path):
    table = table_of(network_of(architecture))
    splits = labelled_pairs(table, 320, 3), labelled_pairs(table, 100, 4)
    records = [
        fit_network(*splits, settings_of(architecture), folder=tmp_path / device, device=device, seed=1).record
        for device in ("cpu", DEVICE.type)
    ]
    losses = [record[["training_loss", "validation_loss"]].to_numpy() for record in records]
    np.testing.assert_allclose(*losses, rtol=0.02)
    assert losses[0][-1, 0] < losses[0][0, 0]


@pytest.mark.parametrize("architecture", NETWORKS)
def test_gradients_are_those_of_the_cpu(architecture):
    network = network_of(architecture)
    pairs = labelled_pairs(table_of(network), 20, 5)
    options = GradientParameters(steps=25, internal_batch=8, tolerance=0.01, share=0, max_steps=25)
    exact, found = (
        integrated_gradients(network, pairs, baseline=mean_pair(pairs), parameters=options, device=device)
        for device in (CPU, DEVICE)
    )
    assert_close(found.importance, exact.importance, 1e-3)


@needs_accelerator
def test_whole_run_ends_on_the_accelerator(tmp_path):
    assert not kedro_run_alone(tmp_path, "--pipeline=planted_data").exit_code
    done = kedro_run_alone(tmp_path, f"--params=device={DEVICE.type}")
    assert done.exit_code == 0, done.output
    assert f"Computing on device {DEVICE.type}" in done.output
    assert (tmp_path / "08_reporting/report.html").is_file()


@pytest.fixture
def told(capsys: pytest.CaptureFixture[str]) -> Iterator[Callable[[str], None]]:
    """Print a line to report, whatever pytest captures."""
    name = torch.cuda.get_device_name() if DEVICE.type == "cuda" else f"{DEVICE.type}, {platform.processor()}"

    def tell(line: str) -> None:
        with capsys.disabled():
            print(f"\nREPORT {name}, torch {torch.__version__}: {line}", end="")  # noqa: T201

    yield tell


def seconds_of(work: Callable[[], object]) -> float:
    """How long some work takes on the accelerator, at the second time."""
    for _ in range(2):
        start = time.perf_counter()
        work()
        getattr(torch, DEVICE.type).synchronize()
    return time.perf_counter() - start


@needs_accelerator
def test_speed_of_extraction_by_the_encoder_of_650_million_parameters(told):
    from transformers import EsmModel  # noqa: PLC0415 - slow to import

    model = EsmModel(small_esm2_config(layers=33, width=1280, heads=20), add_pooling_layer=False).eval()
    encoder = Encoder(EsmWeights.from_model(model), "random weights")
    lengths = np.random.default_rng(0).integers(50, 513, 300)
    sequences = sequences_of(lengths)
    for precision in dict.fromkeys(("float32", resolve_precision("auto", DEVICE))):
        options = EmbeddingParameters(precision=precision, **WHOLE)
        seconds = seconds_of(lambda options=options: embed(encoder, sequences, options, DEVICE))
        told(
            f"extraction, 650M shape, {precision}: {lengths.sum() / seconds:,.0f} residues/s, 13,300 sequences of "
            f"these lengths in {13_300 / len(lengths) * seconds:,.0f} s (published: 3,243 s on an A100)"
        )


@needs_accelerator
def test_speed_of_training_and_scoring_at_published_sizes(told, tmp_path):
    network = build_network(ModelParameters(**PUBLISHED).network, 1280).eval()
    table = table_of(network, 1000, 1280)
    a, b = np.random.default_rng(6).integers(1000, size=(2, 52_048))
    scorer = RowScorer(network, table, DEVICE)
    seconds = seconds_of(lambda: scorer.scores(a, b))
    told(f"scores of 52,048 pairs by ESM2_AMPS, float32: {seconds:.1f} s (published: 65.3 s on an A100)")
    settings = {**PUBLISHED, "training": {**PUBLISHED["training"], "precision": "auto", "epochs": 1}}
    training, validation = labelled_pairs(table, 16_384, 7), labelled_pairs(table, 512, 8)
    start = time.perf_counter()
    fit_network(training, validation, ModelParameters(**settings), folder=Path(tmp_path), device=DEVICE.type, seed=0)
    per_pair = (time.perf_counter() - start) / (len(training) + len(validation) / 3)
    told(
        f"training of ESM2_AMPS: {1 / per_pair:,.0f} pairs/s, 35 epochs of 163,192 pairs in "
        f"{35 * 163_192 * per_pair:,.0f} s (published: 9,535 s on an A100)"
    )


def test_all_architectures_are_held_against_the_cpu():
    assert set(NETWORKS) == set(MODELS)
