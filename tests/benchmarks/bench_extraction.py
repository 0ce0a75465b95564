"""Tokens per second of feature extraction: ours beside protloc_mex_X, which the paper used, and plain padded batches.

    python tests/benchmarks/bench_extraction.py [--bernett DIR] [--proteins N] [--rounds N] [--write]

150 proteins of the Bernett gold standard of at most 1022 residues go through random weights of `esm2_mini` and of the
two smallest ESM-2 shapes. The rows take turns, so that other work on the machine slows all of them alike; it slows
most those whose threads wait for one another. `--threads 1` compares without that. protloc_mex_X needs `pip install
protloc_mex_X`; its row is skipped where it can't be imported.

Tried, and left out because it didn't pay (one Zen 5 core, t6_8M; attention is 49 % of the time in float32 and 60 % in
bfloat16): GELU and residual sums fused into oneDNN's linear maps (no faster), weights through torch.utils.mkldnn
(7 % slower linear maps), linear maps as 1 × 1 convolutions (2.3 times slower), rotary positions by flipped halves
(10 times slower than complex numbers), attention head by head through oneDNN with or without its exponential fused
(up to 15 % faster for proteins above 400 residues, twice as slow below 150), attention in bfloat16 (12–45 % slower
than in float32 and less exact), a first attention kernel in Numba (1.3 times slower), batches of 16,384 tokens
(12–19 % slower than of 2,048).
"""

import argparse
import contextlib
import gzip
import io
import os
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from Bio.SeqIO.FastaIO import SimpleFastaParser
from measuring import report
from transformers import EsmModel, EsmTokenizer

from esm2_amp.encoder.embedding import embed
from esm2_amp.encoder.loading import Encoder
from esm2_amp.encoder.packed import Linear
from esm2_amp.encoder.pooling import pool
from esm2_amp.encoder.pretraining import small_esm2_config
from esm2_amp.encoder.tokens import PAD, VOCABULARY, encode
from esm2_amp.encoder.weights import EsmWeights
from esm2_amp.parameters.feature_extraction import EmbeddingParameters
from esm2_amp.protein import TOKENS

SHAPES = {"esm2_mini": (4, 256, 8), "t6_8M": (6, 320, 20), "t12_35M": (12, 480, 20)}
"""Layers, width and heads."""

BERNETT = Path(__file__).parents[2] / "../shared/bernett"
MEASURED = Path(__file__).parents[1] / "data/measured/extraction.csv"
LONGEST = 1022
CPU = torch.device("cpu")


def chosen_proteins(folder: Path, count: int) -> list[str]:
    """Sequences drawn with a fixed seed."""
    with gzip.open(folder / "proteins.fasta.gz", "rt") as lines:
        sequences = [sequence for _, sequence in SimpleFastaParser(lines) if len(sequence) <= LONGEST]
    return list(np.random.default_rng(0).choice(sequences, count, replace=False))


def random_esm(shape: str) -> EsmModel:
    """Random weights large enough for attention that isn't flat."""
    layers, width, heads = SHAPES[shape]
    torch.manual_seed(0)
    model: EsmModel = EsmModel(
        small_esm2_config(layers=layers, width=width, heads=heads), add_pooling_layer=False
    ).eval()
    for weight in model.parameters():
        if weight.ndim > 1:
            torch.nn.init.normal_(weight, std=width**-0.5)
    return model


def by_protloc(model: EsmModel, sequences: Sequence[str]) -> Callable[[], np.ndarray] | None:
    """Extraction by protloc_mex_X, one protein at a time as its documentation has it; None where it isn't installed."""
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            from protloc_mex_X.ESM2_fr import Esm2LastHiddenFeatureExtractor  # noqa: PLC0415
    except ImportError as error:
        report(f"protloc_mex_X skipped: {error}")
        return None
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "vocab.txt").write_text("\n".join(VOCABULARY))
        tokenizer = EsmTokenizer(str(Path(folder, "vocab.txt")))

    def extract() -> np.ndarray:
        model.config.output_hidden_states = True
        extractor = Esm2LastHiddenFeatureExtractor(tokenizer, model, compute_segments=True, device_choose="cpu")
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            table = extractor.get_last_hidden_features_combine(
                pd.DataFrame({"sequence": list(sequences)}), sequence_name="sequence", batch_size=1
            )
        model.config.output_hidden_states = False
        values: np.ndarray = (
            table.drop(columns="sequence").to_numpy(np.float32).reshape(len(sequences), len(TOKENS), -1)
        )
        return values[:, [0, *range(3, 13), 1, 2]]

    return extract


@torch.inference_mode()
def by_padded_batches(model: EsmModel, sequences: Sequence[str], dtype: torch.dtype) -> np.ndarray:
    """Batches of 8 proteins sorted by length, padded, through EsmModel itself."""
    order = np.argsort([len(sequence) for sequence in sequences])
    features = torch.empty(len(sequences), len(TOKENS), model.config.hidden_size)
    for first in range(0, len(order), 8):
        batch = order[first : first + 8]
        tokens = [torch.from_numpy(encode(sequences[protein])).long() for protein in batch]
        padded = torch.nn.utils.rnn.pad_sequence(tokens, batch_first=True, padding_value=PAD)
        with torch.autocast("cpu", dtype, enabled=dtype != torch.float32):
            hidden = model(padded, attention_mask=(padded != PAD).long()).last_hidden_state
        packed = torch.cat([states[: len(protein)] for states, protein in zip(hidden, tokens, strict=True)])
        features[batch] = pool(packed, [len(protein) - 2 for protein in tokens])
    return features.numpy()


def multiplication_rate(width: int, dtype: torch.dtype) -> float:
    """GFLOP/s of one thread in the feed-forward's first matrix multiplication on 1024 tokens, by the kernel we use."""
    x = torch.randn(1024, width, dtype=dtype)
    linear = Linear(torch.randn(4 * width, width, dtype=dtype), torch.randn(4 * width, dtype=dtype))
    threads, times = torch.get_num_threads(), []
    torch.set_num_threads(1)
    for _ in range(50):
        start = time.perf_counter()
        linear(x)
        times.append(time.perf_counter() - start)
    torch.set_num_threads(threads)
    return 8 * 1024 * width**2 / min(times) / 1e9


def flops(shape: str, sequences: Sequence[str]) -> float:
    """Floating-point operations of the linear maps and of attention."""
    layers, width, _ = SHAPES[shape]
    return sum(layers * (24 * width**2 * n + 4 * width * n**2) for n in (len(s) + 2 for s in sequences))


def bench(shape: str, sequences: Sequence[str], rounds: int, tokens_per_batch: int) -> pd.DataFrame:
    """Print the table of one shape; tokens per second of each row."""
    model = random_esm(shape)
    encoder = Encoder(EsmWeights.from_model(model), shape)
    sizes = {"tokens_per_batch": tokens_per_batch, "whole_up_to": LONGEST, "window": LONGEST, "overlap": 100}
    ours = {dtype: EmbeddingParameters(precision=dtype, **sizes) for dtype in ("float32", "bfloat16")}
    protloc = by_protloc(model, sequences)
    rows: dict[str, Callable[[], np.ndarray]] = {
        **({"protloc_mex_X float32": protloc} if protloc else {}),
        "padded batches float32": lambda: by_padded_batches(model, sequences, torch.float32),
        "padded batches bfloat16": lambda: by_padded_batches(model, sequences, torch.bfloat16),
        "ours float32": lambda: embed(encoder, sequences, ours["float32"], CPU).numpy(),
        "ours bfloat16": lambda: embed(encoder, sequences, ours["bfloat16"], CPU).numpy(),
    }
    seconds: dict[str, list[float]] = {name: [] for name in rows}
    features, peak = {}, {"float32": 0.0, "bfloat16": 0.0}
    for _ in range(1 + rounds):  # the first round warms up
        for name, extract in rows.items():
            start = time.perf_counter()
            features[name] = extract()
            seconds[name].append(time.perf_counter() - start)
        for dtype, fastest in peak.items():
            rate = multiplication_rate(model.config.hidden_size, getattr(torch, dtype)) * torch.get_num_threads()
            peak[dtype] = max(fastest, rate)
    tokens, work = sum(len(sequence) + 2 for sequence in sequences), flops(shape, sequences) / 1e9
    report(f"\n{shape}: {len(sequences)} proteins, {tokens:,} tokens; matrix multiplication "
           f"{peak['float32']:.0f} GFLOP/s float32, {peak['bfloat16']:.0f} bfloat16")  # fmt: skip
    columns = ("tokens/s", "median", "× first", "GFLOP/s", "of peak", "max dev.", "min cos.")
    report(" " * 24 + "".join(f"{column:>10}" for column in columns))
    reference, first = features["padded batches float32"], min(next(iter(seconds.values()))[1:])
    for name, (_, *spent) in seconds.items():
        best, deviation = min(spent), np.abs(features[name] - reference).max()
        report(f"{name:24}{tokens / best:10,.0f}{tokens / np.median(spent):10,.0f}{first / best:10.2f}"
               f"{work / best:10.0f}{work / best / peak[name.split()[-1]]:10.0%}{deviation:10.1e}"
               f"{least_cosine(features[name], reference):10.6f}")  # fmt: skip
    rates = {name: tokens / min(spent[1:]) for name, spent in seconds.items()}
    return pd.DataFrame({"Shape": shape, "Row": rates.keys(), "TokensPerSecond": rates.values()})


def least_cosine(features: np.ndarray, reference: np.ndarray) -> float:
    """The smallest cosine between vectors that stand for the same token of the same protein."""
    norms = np.linalg.norm(features, axis=-1) * np.linalg.norm(reference, axis=-1)
    return float(((features * reference).sum(-1)[norms > 0] / norms[norms > 0]).min())


def main() -> None:
    """Print a table per shape."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bernett", type=Path, default=BERNETT, help="folder of proteins.fasta.gz")
    parser.add_argument("--proteins", type=int, default=150)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, help="of PyTorch; 1 compares on a machine that others use")
    parser.add_argument("--tokens-per-batch", type=int, default=2048)
    parser.add_argument("--shapes", nargs="+", choices=SHAPES, default=list(SHAPES))
    parser.add_argument("--write", action="store_true", help="store the rates for the README and its test")
    arguments = parser.parse_args()
    if not (arguments.bernett / "proteins.fasta.gz").exists():
        sys.exit(f"{arguments.bernett} must hold proteins.fasta.gz of the Bernett gold standard; give --bernett DIR")
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    sequences = chosen_proteins(arguments.bernett, arguments.proteins)
    report(f"{os.cpu_count()} processors, {torch.get_num_threads()} threads, torch {torch.__version__}")
    rates = pd.concat(
        bench(shape, sequences, arguments.rounds, arguments.tokens_per_batch) for shape in arguments.shapes
    )
    if arguments.write:
        rates.round(0).to_csv(MEASURED, index=False)
    report(f"\npeak memory of all rows {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.2f} GiB")


if __name__ == "__main__":
    main()
