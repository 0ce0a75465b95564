"""Time and peak memory of residue attributions and of the scan by changed sequences.

    python tests/benchmarks/bench_residues.py
    python tests/benchmarks/bench_residues.py --pairs 500 --width 320 1280
    python tests/benchmarks/bench_residues.py --pairs 0 --encoder data/06_models/esm2_mini --scan-length 500

Residues: random pairs of random proteins of 100 to 700 residues, ESM2_AMPS with random weights, Integrated Gradients in
25 steps, and an encoder of one layer with random weights, so that what is measured is the splitting and not an encoder.
Scan: one pair of two random proteins of `--scan-length` residues by a real encoder, every residue the start of a window
of 9, masked. Every row is measured in a process of its own; its peak memory is the whole process's, imports included.
"""

import argparse
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from measuring import memory, report

from esm2_amp.encoder.embedding import embed
from esm2_amp.encoder.loading import Encoder, load_encoder
from esm2_amp.encoder.weights import Architecture, EsmWeights
from esm2_amp.explanation.gradients import integrated_gradients, mean_pair
from esm2_amp.explanation.mutation_scan import Rescorer, mutation_scan
from esm2_amp.explanation.residues import ResidueSource, residue_attributions
from esm2_amp.models.amp import ESM2AMPS
from esm2_amp.pairs import Pairs
from esm2_amp.parameters.feature_extraction import EmbeddingParameters
from esm2_amp.parameters.interpretability import GradientParameters, ScanParameters
from esm2_amp.protein import AMINO_ACID_PERCENT

CPU = torch.device("cpu")
OPTIONS = EmbeddingParameters(precision="float32", whole_up_to=4096, window=1022, overlap=256)
PATH = GradientParameters(steps=25, internal_batch=32, tolerance=0.01, share=0, max_steps=25)


class Measured(NamedTuple):
    """Seconds of each part, memory in bytes, and residues."""

    embedding: float
    gradients: float
    residues: float
    peak: int
    n_residues: int


class Given(NamedTuple):
    """Random proteins with their vectors, and pairs of them."""

    source: ResidueSource
    explained: pd.DataFrame
    pairs: Pairs


def random_proteins(lengths: np.ndarray, generator: np.random.Generator) -> dict[str, str]:
    """Proteins of natural composition."""
    letters, percent = np.array(list(AMINO_ACID_PERCENT)), np.array(list(AMINO_ACID_PERCENT.values()))
    drawn = (generator.choice(letters, length, p=percent / percent.sum()) for length in lengths)
    return {f"P{number}": "".join(sequence) for number, sequence in enumerate(drawn)}


def thin_encoder(width: int) -> Encoder:
    """An ESM-2 of one layer with random weights."""
    architecture = Architecture(layers=1, heads=width // 64, width=width, feed_forward=width, tokens=33)
    torch.manual_seed(0)
    tensors = {name: torch.randn(shape) / width**0.5 for name, shape in architecture.weight_shapes().items()}
    return Encoder(EsmWeights(architecture, tensors, architecture.inverse_frequencies()), "random weights")


def given(encoder: Encoder, sequences: dict[str, str], partners: np.ndarray) -> tuple[Given, float]:
    """The pairs of proteins, and the seconds that their vectors took."""
    entries, start = np.array(list(sequences)), time.perf_counter()
    table = embed(encoder, list(sequences.values()), OPTIONS, CPU)[:, ESM2AMPS.protein_tokens]
    a, b = torch.from_numpy(partners)
    explained = pd.DataFrame({"Protein1": entries[partners[0]], "Protein2": entries[partners[1]]})
    source = ResidueSource(sequences, encoder, OPTIONS, CPU)
    return Given(source, explained, Pairs(table, a, b)), time.perf_counter() - start


def network_of(width: int) -> ESM2AMPS:
    """The demonstration's sizes."""
    torch.manual_seed(1)
    return ESM2AMPS(width, 64, 32, layers=2, heads=8, feed_forward=256).eval()


def measure_residues(pairs: int, width: int) -> Measured:
    """Split the scores of random pairs; to be called in a fresh process."""
    generator = np.random.default_rng(0)
    sequences = random_proteins(generator.integers(100, 701, 2 * pairs), generator)
    of_pairs, embedding = given(thin_encoder(width), sequences, np.arange(2 * pairs).reshape(2, -1))
    network, baseline, start = network_of(width), mean_pair(of_pairs.pairs), time.perf_counter()
    found = integrated_gradients(
        network, of_pairs.pairs, baseline=baseline, parameters=PATH, device=CPU, keep_gradient=True
    )
    middle = time.perf_counter()
    split = residue_attributions(found, of_pairs.explained, of_pairs.pairs, baseline, network, of_pairs.source)
    end = time.perf_counter()
    assert split.error.max() < 1e-4
    count = split.summary()["residues"]
    return Measured(embedding, middle - start, end - middle, memory("VmHWM"), count)


def measure_scan(length: int, encoder: str, step: int) -> Measured:
    """Scan one pair; to be called in a fresh process."""
    loaded, generator = load_encoder(encoder), np.random.default_rng(0)
    sequences = random_proteins(np.array([length, length]), generator)
    of_pairs, embedding = given(loaded, sequences, np.array([[0], [1]]))
    network, start = network_of(loaded.width), time.perf_counter()
    rescorer = Rescorer.of(network, of_pairs.explained, of_pairs.pairs, of_pairs.source, 256)
    scan = ScanParameters(window=9, step=step, replace_by="mask", draws=1)
    effects = mutation_scan(rescorer, scan, seed=0)
    return Measured(embedding, 0.0, time.perf_counter() - start, memory("VmHWM"), sum(map(len, effects[0])))


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=50, help="0 leaves the residues out")
    parser.add_argument("--width", type=int, nargs="+", default=[320], help="D")
    parser.add_argument("--encoder", default="data/06_models/esm2_mini", help="of the scan")
    parser.add_argument("--scan-length", type=int, default=150, help="0 leaves the scan out")
    parser.add_argument("--scan-step", type=int, default=1)
    arguments = parser.parse_args()
    report(f"{torch.get_num_threads()} threads, torch {torch.__version__}")
    report(f"{'':10}{'D':>6}{'residues':>10}{'embedding s':>13}{'gradients s':>13}{'residues s':>12}{'peak GB':>9}")
    for width in arguments.width if arguments.pairs else ():
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as fresh:
            row = fresh.submit(measure_residues, arguments.pairs, width).result()
        report(f"{'residues':10}{width:6}{row.n_residues:10,}{row.embedding:13.1f}{row.gradients:13.1f}{row.residues:12.1f}"
               f"{row.peak / 1e9:9.2f}")  # fmt: skip
    if arguments.scan_length:
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as fresh:
            row = fresh.submit(measure_scan, arguments.scan_length, arguments.encoder, arguments.scan_step).result()
        report(f"{'scan':10}{'':6}{row.n_residues:10,}{row.embedding:13.1f}{'':13}{row.residues:12.1f}"
               f"{row.peak / 1e9:9.2f}")  # fmt: skip


if __name__ == "__main__":
    main()
