"""Tokens per second of a training step of a small encoder: without a teacher, and with one, computed or stored.

    python tests/benchmarks/bench_distillation.py [--bernett DIR] [--layers N] [--width D] [--heads H] [--rounds N]

Crops of 256 tokens of Bernett's proteins train random weights; the teacher has those of ESM-2 8M's shape. The rows take
turns, so that other work on the machine slows all of them alike. `--threads 1` compares without threads that wait for
one another. The row "no teacher, packed" is the student's part of the row "computed".
"""

import argparse
import gzip
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from Bio.SeqIO.FastaIO import SimpleFastaParser
from measuring import report
from torch import Tensor
from transformers import EsmModel

from esm2_amp.encoder.distillation import Batch, DistilledLanguageModel, Objective, packed_batch
from esm2_amp.encoder.kernels import fast_bfloat16
from esm2_amp.encoder.loading import Encoder
from esm2_amp.encoder.pretraining import Corpus, MaskedCrops, masked_batch, small_esm2_config
from esm2_amp.encoder.teacher import ComputedStates, StoredStates, Teacher
from esm2_amp.encoder.weights import EsmWeights

BERNETT = Path(__file__).parents[2] / "../shared/bernett"
CPU = torch.device("cpu")
FRACTION = 0.15


def some_proteins(folder: Path, count: int) -> Corpus:
    """Proteins drawn with a fixed seed."""
    with gzip.open(folder / "proteins.fasta.gz", "rt") as lines:
        sequences = [sequence for _, sequence in SimpleFastaParser(lines)]
    return Corpus.from_sequences(list(np.random.default_rng(0).choice(sequences, count, replace=False)))


class NoTeacher:
    """States of zeros, which cost nothing."""

    def __init__(self, width: int) -> None:
        self.width, self.fingerprint = width, "none"

    def __call__(self, corpus: Corpus, places: list[slice]) -> Tensor:
        """Zeros of shape (N, D)."""
        return torch.zeros(sum(place.stop - place.start for place in places), self.width)


def training_step(model: DistilledLanguageModel, loss_of: Callable[[], Tensor]) -> None:
    """Loss and gradients in mixed precision, as the recipe has them."""
    model.zero_grad()
    with torch.autocast("cpu", torch.bfloat16, enabled=fast_bfloat16(CPU)):
        loss = loss_of()
    loss.backward()


def main() -> None:
    """Print a row for each way to train."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bernett", type=Path, default=BERNETT, help="folder of proteins.fasta.gz")
    parser.add_argument("--proteins", type=int, default=300)
    for name, default in {"layers": 4, "width": 256, "heads": 8, "crops": 16, "rounds": 5}.items():
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--threads", type=int, help="of PyTorch; 1 compares on a machine that others use")
    arguments = parser.parse_args()
    if not (arguments.bernett / "proteins.fasta.gz").exists():
        sys.exit(f"{arguments.bernett} must hold proteins.fasta.gz of the Bernett gold standard; give --bernett DIR")
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    with tempfile.TemporaryDirectory() as folder:
        bench(arguments, Path(folder))


def bench(arguments: argparse.Namespace, folder: Path) -> None:
    """Train in turns, and print the fastest and the median rate of each row."""
    corpus = some_proteins(arguments.bernett, arguments.proteins)
    esm = EsmModel(small_esm2_config(layers=6, width=320, heads=20), add_pooling_layer=False)
    dtype = torch.bfloat16 if fast_bfloat16(CPU) else torch.float32
    computed = ComputedStates(Encoder(EsmWeights.from_model(esm), "t6_8M"), CPU, dtype)
    start = time.perf_counter()
    stored = StoredStates.of(computed, [corpus], folder)
    spent = time.perf_counter() - start
    report(f"{torch.get_num_threads()} threads, torch {torch.__version__}, {dtype}")
    report(f"storing states of {len(corpus.tokens):,} tokens: {len(corpus.tokens) / spent:,.0f} tokens/s")
    config = small_esm2_config(layers=arguments.layers, width=arguments.width, heads=arguments.heads)
    schedule = {"learning_rate": 1e-3, "weight_decay": 0.0, "warmup_steps": 1, "total_steps": 2, "seed": 0}
    model = DistilledLanguageModel(config, computed, Objective(1.0, 1.0), **schedule)
    draw = MaskedCrops(
        corpus, range(1), batch_size=arguments.crops, crop_length=256, masked_fraction=FRACTION, seed=0
    ).places

    def padded(number: int) -> int:
        generator = np.random.default_rng(number)
        places = draw(generator)
        batch = masked_batch([corpus.tokens[place] for place in places], generator, FRACTION)
        training_step(model, lambda: model.network(**batch).loss)
        return sum(place.stop - place.start for place in places)

    def packed(teacher: Teacher) -> Callable[[int], int]:
        def step(number: int) -> int:
            generator = np.random.default_rng(number)
            batch: Batch = packed_batch(corpus, draw(generator), teacher, generator, FRACTION)
            training_step(model, lambda: model.training_step(batch))
            return len(batch["labels"])

        return step

    rows = {
        "no teacher, padded (transformers)": padded,
        "no teacher, packed": packed(NoTeacher(320)),
        "teacher, stored": packed(stored),
        "teacher, computed": packed(computed),
    }
    rates: dict[str, list[float]] = {name: [] for name in rows}
    for _ in range(1 + arguments.rounds):  # the first round warms up
        for name, step in rows.items():
            start = time.perf_counter()
            tokens = step(0)
            rates[name].append(tokens / (time.perf_counter() - start))
    for name, (_, *measured) in rates.items():
        report(f"{name:36}{max(measured):10,.0f}{np.median(measured):10,.0f} tokens/s")


if __name__ == "__main__":
    main()
