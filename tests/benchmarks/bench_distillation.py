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
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from Bio.SeqIO.FastaIO import SimpleFastaParser
from measuring import report
from torch import Tensor
from transformers import EsmModel

from esm2_amp.encoder.distillation import DistilledLanguageModel, Objective, packed_batch
from esm2_amp.encoder.loading import Encoder
from esm2_amp.encoder.pretraining import Corpus, MaskedCrops, masked_batch, small_esm2_config
from esm2_amp.encoder.teacher import ComputedStates, StoredStates, Teacher
from esm2_amp.encoder.weights import EsmWeights
from esm2_amp.precision import has_bfloat16

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

    def __call__(self, corpus: Corpus, places: Sequence[slice]) -> Tensor:
        """Zeros of shape (N, D)."""
        return torch.zeros(sum(place.stop - place.start for place in places), self.width)


def training_step(model: DistilledLanguageModel, loss_of: Callable[[], Tensor]) -> None:
    """Loss and gradients in mixed precision, as the recipe has them."""
    model.zero_grad()
    with torch.autocast("cpu", torch.bfloat16, enabled=has_bfloat16("cpu")):
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


def stored_states(computed: ComputedStates, corpus: Corpus, folder: Path) -> StoredStates:
    """A store of all states, and a line of how fast it was filled."""
    start = time.perf_counter()
    stored = StoredStates.of(computed, [corpus], folder)
    rate = len(corpus.tokens) / (time.perf_counter() - start)
    report(f"storing the states of {len(corpus.tokens):,} tokens: {rate:,.0f} tokens/s")
    return stored


class Steps:
    """Training steps of one student on the same crops; each returns its number of tokens."""

    def __init__(self, corpus: Corpus, arguments: argparse.Namespace, width: int) -> None:
        options = {"batch_size": arguments.crops, "crop_length": 256, "masked_fraction": FRACTION, "seed": 0}
        generator = np.random.default_rng(0)
        self.corpus, self.places = corpus, MaskedCrops(corpus, range(1), **options).places(generator)
        config = small_esm2_config(layers=arguments.layers, width=arguments.width, heads=arguments.heads)
        schedule = {"learning_rate": 1e-3, "weight_decay": 0.0, "warmup_steps": 1, "total_steps": 2, "seed": 0}
        self.model = DistilledLanguageModel(config, NoTeacher(width), Objective(1.0, 1.0), **schedule)
        self.tokens: int = sum(place.stop - place.start for place in self.places)

    def padded(self) -> int:
        """By transformers, as `encoder_pretraining` trains without a teacher."""
        crops = [self.corpus.tokens[place] for place in self.places]
        batch = masked_batch(crops, np.random.default_rng(0), FRACTION)
        training_step(self.model, lambda: self.model.network(**batch).loss)
        return self.tokens

    def packed(self, teacher: Teacher) -> int:
        """Laid end to end, with the states of a teacher."""
        batch = packed_batch(self.corpus, self.places, teacher, np.random.default_rng(0), FRACTION)
        training_step(self.model, lambda: self.model.training_step(batch))
        return self.tokens


def bench(arguments: argparse.Namespace, folder: Path) -> None:
    """Train in turns, and print the fastest and the median rate of each row."""
    corpus = some_proteins(arguments.bernett, arguments.proteins)
    esm = EsmModel(small_esm2_config(layers=6, width=320, heads=20), add_pooling_layer=False)
    dtype = torch.bfloat16 if has_bfloat16("cpu") else torch.float32
    report(f"{torch.get_num_threads()} threads, torch {torch.__version__}, {dtype}")
    computed = ComputedStates(Encoder(EsmWeights.from_model(esm), "t6_8M"), CPU, dtype)
    stored, steps = stored_states(computed, corpus, folder), Steps(corpus, arguments, computed.width)
    rows: dict[str, Callable[[], int]] = {
        "no teacher, padded (transformers)": steps.padded,
        "no teacher, packed": lambda: steps.packed(NoTeacher(computed.width)),
        "teacher, stored": lambda: steps.packed(stored),
        "teacher, computed": lambda: steps.packed(computed),
    }
    rates: dict[str, list[float]] = {name: [] for name in rows}
    for _ in range(1 + arguments.rounds):  # the first round warms up
        for name, step in rows.items():
            start = time.perf_counter()
            tokens = step()
            rates[name].append(tokens / (time.perf_counter() - start))
    for name, (_, *measured) in rates.items():
        report(f"{name:36}{max(measured):10,.0f}{np.median(measured):10,.0f} tokens/s")


if __name__ == "__main__":
    main()
