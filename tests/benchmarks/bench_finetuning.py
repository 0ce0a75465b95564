"""Memory and time of a step that fine-tunes an encoder, by the tokens that go through it together.

    python tests/benchmarks/bench_finetuning.py [--layers N] [--width D] [--heads H] [--pairs B] [--length L]

Random weights of ESM-2 8M's shape by default, random sequences of one length, ESM2_DPM at 2·D. Each row is a process of
its own: its peak of memory above what it had before the first step, and seconds a step after the first. The proteins of
a step have (L + 2) · 2 B tokens; the last row takes them at once.
"""

import argparse
import subprocess
import sys
import time

import numpy as np
import torch
from measuring import memory, report
from transformers import EsmModel

from esm2_amp.encoder.pretraining import small_esm2_config
from esm2_amp.encoder.weights import EsmWeights
from esm2_amp.finetuning.adapters import AdaptedEncoder
from esm2_amp.finetuning.pieces import Sequences
from esm2_amp.finetuning.tuner import EncoderTuner
from esm2_amp.models.registry import build_network
from esm2_amp.parameters.feature_extraction import EmbeddingParameters
from esm2_amp.parameters.finetuning import FinetuningParameters
from esm2_amp.parameters.model_training import DPMParameters, TrainingParameters
from esm2_amp.protein import STANDARD_RESIDUES

WINDOWS = EmbeddingParameters(precision="float32", whole_up_to=4096, window=1022, overlap=256)


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """The options of the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    sizes = {"layers": 6, "width": 320, "heads": 20, "pairs": 16, "length": 400, "steps": 3, "threads": 1, "row": 0}
    for name, default in sizes.items():
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--recompute", action="store_true")
    return parser.parse_args(arguments)


def tuner_of(options: argparse.Namespace) -> EncoderTuner:
    """An encoder and a network with random weights, and the sequences of one step."""
    config = small_esm2_config(layers=options.layers, width=options.width, heads=options.heads)
    weights = EsmWeights.from_model(EsmModel(config, add_pooling_layer=False))
    settings = FinetuningParameters(
        rank=8, alpha=16, dropout=0, modules=("query", "key", "value"), layers=None, learning_rate=1e-4, epochs=1,
        network_learning_rate=1e-4, warmup_steps=0, pairs_per_step=options.pairs, gradient_clip=None,
        tokens_at_once=options.row, recompute=options.recompute, precision="32-true", licence="unknown",
    )  # fmt: skip
    letters = np.random.default_rng(0).choice(list(STANDARD_RESIDUES), (2 * options.pairs, options.length))
    sequences = ["".join(row) for row in letters]
    network = build_network(DPMParameters(architecture="ESM2_DPM", h1=256, h2=128, h3=40), options.width)
    proteins = Sequences(sequences, sequences, WINDOWS, options.row)
    training = TrainingParameters(learning_rate=1e-4, weight_decay=0, epochs=1)
    return EncoderTuner(AdaptedEncoder(weights, settings), network, proteins, settings, training, total_steps=1, seed=1)


def measure(options: argparse.Namespace) -> None:
    """Print the row of one size of the parts."""
    torch.set_num_threads(options.threads)
    tuner = tuner_of(options)
    rows = torch.arange(2 * options.pairs).view(2, -1)
    batch = rows[0], rows[1], torch.arange(options.pairs) % 2.0
    before, seconds = memory("VmRSS"), []
    for step in range(1 + options.steps):
        start = time.perf_counter()
        tuner.zero_grad()
        tuner._accumulate(batch, step)
        seconds.append(time.perf_counter() - start)
    peak = (memory("VmHWM") - before) / 1e6
    kind = "recomputed" if options.recompute else "kept"
    report(f"{options.row:>9,} {kind:>11} {peak:>9,.0f} MB {min(seconds[1:]):>8.2f} s")


def main() -> None:
    """Each row in a process of its own."""
    options = parse()
    if options.row:
        measure(options)
        return
    whole = (options.length + 2) * 2 * options.pairs
    report(f"{options.threads} threads, torch {torch.__version__}, {whole:,} tokens a step\n   tokens  activations")
    for row in (options.length + 2, whole // 8, whole // 4, whole):
        for further in ([], ["--recompute"]):
            subprocess.run([sys.executable, __file__, *sys.argv[1:], f"--row={row}", *further], check=True)


if __name__ == "__main__":
    main()
