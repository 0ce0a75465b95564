"""Time and peak memory of Integrated Gradients at the paper's scale.

    python tests/benchmarks/bench_gradients.py
    python tests/benchmarks/bench_gradients.py --pairs 500 --device cuda
    python tests/benchmarks/bench_gradients.py --width 192 --pairs 200

ESM2_AMPS in its published sizes (conf/esm2_650m) with random weights, on random features: D = 1280, T = 20, 25 steps in
batches of 32, without more steps for pairs that don't add up. Every row is measured in a process of its own. Peak
memory is the whole process's, imports and the attributions of all pairs included (and on a GPU its own peak beside it).
"""

import argparse
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

import torch
import yaml
from measuring import memory, report

from esm2_amp.explanation.gradients import integrated_gradients, mean_pair
from esm2_amp.models.registry import build_network
from esm2_amp.pairs import Pairs
from esm2_amp.parameters.interpretability import GradientParameters
from esm2_amp.parameters.model_training import ModelParameters

PUBLISHED_SETTINGS = Path(__file__).parents[2] / "conf/esm2_650m/parameters.yml"
PROTEINS = 1000


class Measured(NamedTuple):
    """Time in seconds and memory in bytes."""

    wall: float
    processor: float
    imports: int
    peak: int
    gpu_peak: int


def measure(pairs: int, width: int, internal_batch: int, device: str) -> Measured:
    """Explain random pairs; to be called in a fresh process."""
    imports, generator = memory("VmRSS"), torch.Generator().manual_seed(0)
    settings = ModelParameters(**yaml.safe_load(PUBLISHED_SETTINGS.read_text())["ESM2_AMPS"]["settings"])
    network = build_network(settings.network, width)
    table = torch.randn(PROTEINS, 10, width, generator=generator)
    random_pairs = Pairs(table, *torch.randint(PROTEINS, (2, pairs), generator=generator))
    parameters = GradientParameters(steps=25, internal_batch=internal_batch, tolerance=0.01, share=0, max_steps=25)
    start = time.perf_counter(), time.process_time()
    found = integrated_gradients(
        network, random_pairs, baseline=mean_pair(random_pairs), parameters=parameters, device=torch.device(device)
    )
    wall, processor = time.perf_counter() - start[0], time.process_time() - start[1]
    assert found.importance.shape == (pairs, 20)
    gpu_peak = torch.cuda.max_memory_allocated() if device == "cuda" else 0
    return Measured(wall, processor, imports, memory("VmHWM"), gpu_peak)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, nargs="+", default=[32, 96])
    parser.add_argument("--width", type=int, default=1280, help="D")
    parser.add_argument("--internal-batch", type=int, nargs="+", default=[32])
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    arguments = parser.parse_args()
    report(f"{torch.get_num_threads()} threads, torch {torch.__version__}, {arguments.device}, D = {arguments.width}")
    report(f"{'pairs':>6}{'batch':>7}{'seconds':>9}{'of processor':>14}{'s/pair':>8}{'peak GB':>9}{'imports':>9}"
           f"{'GPU GB':>8}")  # fmt: skip
    for pairs in arguments.pairs:
        for batch in arguments.internal_batch:
            with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as fresh:
                row = fresh.submit(measure, pairs, arguments.width, batch, arguments.device).result()
            report(f"{pairs:6}{batch:7}{row.wall:9.1f}{row.processor:14.1f}{row.wall / pairs:8.2f}{row.peak / 1e9:9.2f}"
                   f"{row.imports / 1e9:9.2f}{row.gpu_peak / 1e9:8.2f}")  # fmt: skip


if __name__ == "__main__":
    main()
