"""Time and peak memory of residue attributions, of the scan by changed sequences, and of masking residues.

    python tests/benchmarks/bench_residues.py
    python tests/benchmarks/bench_residues.py --full
    python tests/benchmarks/bench_residues.py --pairs 0 --encoder data/06_models/esm2_mini --scan-length 500

`--full` stands for 500 pairs at D = 320 and 1280, and for two proteins of 500 residues that are scanned and masked.

Residues: random pairs of random proteins of 100 to 700 residues, ESM2_AMPS with random weights, Integrated Gradients in
25 steps, and an encoder of one layer with random weights, so that what is measured is the splitting and not an encoder.
Scan: one pair of two random proteins of `--scan-length` residues by a real encoder, every residue the start of a window
of 9, masked. Masking: the same pair, in shares as configured, in the order of random values, beside 2 placements of
windows at random. Every row is measured in a process of its own; its peak memory is the whole process's, with imports.
"""

import argparse
import time
from collections.abc import Callable
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
from esm2_amp.explanation.mutation_scan import mutation_scan
from esm2_amp.explanation.rescoring import Rescorer
from esm2_amp.explanation.residue_deletion import residue_deletion
from esm2_amp.explanation.residues import ResidueSource, residue_attributions
from esm2_amp.models.amp import ESM2AMPS
from esm2_amp.pairs import Pairs
from esm2_amp.parameters.feature_extraction import EmbeddingParameters
from esm2_amp.parameters.interpretability import GradientParameters, ScanParameters
from esm2_amp.protein import AMINO_ACID_PERCENT

CPU = torch.device("cpu")
SHARES = (0.05, 0.1, 0.3)
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


def one_pair(length: int, encoder: str) -> tuple[Rescorer, float]:
    """A pair of two proteins of the same length, and the seconds that their vectors took."""
    loaded, generator = load_encoder(encoder), np.random.default_rng(0)
    sequences = random_proteins(np.array([length, length]), generator)
    of_pairs, embedding = given(loaded, sequences, np.array([[0], [1]]))
    network = network_of(loaded.width)
    return Rescorer.of(network, of_pairs.explained, of_pairs.pairs, of_pairs.source, 256), embedding


def measure_scan(length: int, encoder: str, step: int) -> Measured:
    """Scan one pair; to be called in a fresh process."""
    rescorer, embedding = one_pair(length, encoder)
    scan, start = ScanParameters(window=9, step=step, replace_by="mask", draws=1), time.perf_counter()
    effects = mutation_scan(rescorer, scan, seed=0)
    return Measured(embedding, 0.0, time.perf_counter() - start, memory("VmHWM"), sum(map(len, effects[0])))


def measure_masking(length: int, encoder: str) -> Measured:
    """Mask residues of one pair in one order; to be called in a fresh process."""
    rescorer, embedding = one_pair(length, encoder)
    generator, start = np.random.default_rng(1), time.perf_counter()
    order = [(generator.random(length), generator.random(length))]
    residue_deletion({"random": order}, rescorer, SHARES, random_windows=2, seed=0)
    return Measured(embedding, 0.0, time.perf_counter() - start, memory("VmHWM"), 2 * length)


def in_fresh_process(measure: Callable[..., Measured], *given: object) -> Measured:
    """What a function measures in a process of its own."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as fresh:
        return fresh.submit(measure, *given).result()


def show(name: str, width: str, row: Measured) -> None:
    """Print a row of the table."""
    gradients = f"{row.gradients:13.1f}" if row.gradients else f"{'':13}"
    report(f"{name:10}{width:>6}{row.n_residues:10,}{row.embedding:13.1f}{gradients}{row.residues:12.1f}"
           f"{row.peak / 1e9:9.2f}")  # fmt: skip


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--full", action="store_true", help="500 pairs at D = 320 and 1280, proteins of 500 residues")
    parser.add_argument("--pairs", type=int, default=50, help="0 leaves the residues out")
    parser.add_argument("--width", type=int, nargs="+", default=[320], help="D")
    parser.add_argument("--encoder", default="data/06_models/esm2_mini", help="of the scan and of masking")
    parser.add_argument("--scan-length", type=int, default=150, help="0 leaves the scan and masking out")
    parser.add_argument("--scan-step", type=int, default=1)
    arguments = parser.parse_args()
    if arguments.full:
        parser.set_defaults(pairs=500, width=[320, 1280], scan_length=500)
        arguments = parser.parse_args()
    report(f"{torch.get_num_threads()} threads, torch {torch.__version__}")
    report(f"{'':10}{'D':>6}{'residues':>10}{'embedding s':>13}{'gradients s':>13}{'residues s':>12}{'peak GB':>9}")
    for width in arguments.width if arguments.pairs else ():
        show("residues", str(width), in_fresh_process(measure_residues, arguments.pairs, width))
    if arguments.scan_length:
        changed = arguments.scan_length, arguments.encoder
        show("scan", "", in_fresh_process(measure_scan, *changed, arguments.scan_step))
        show("masking", "", in_fresh_process(measure_masking, *changed))
    if not arguments.full:
        report("All sizes: python tests/benchmarks/bench_residues.py --full")


if __name__ == "__main__":
    main()
