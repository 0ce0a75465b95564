"""Training steps beside other work, by how the threads of PyTorch wait for one another.

    python tests/benchmarks/bench_waiting.py
    python tests/benchmarks/bench_waiting.py --busy 0 1 2 --steps 100

Each row is a process of its own, which fits an ESM2_AMPS of two layers and D = 256 to random pairs, beside as many
processes as `--busy` says that do nothing but count. The ways to wait take turns.
"""

import argparse
import multiprocessing
import os
import subprocess
import sys
import time

import torch
from measuring import report
from torch.nn.functional import binary_cross_entropy_with_logits

from esm2_amp.models.amp import ESM2AMPS
from esm2_amp.threads import SPINS

WAYS = {
    "OpenMP's default": {},
    f"{SPINS} turns": {"GOMP_SPINCOUNT": str(SPINS)},
    "no turns": {"OMP_WAIT_POLICY": "PASSIVE"},
}


def measure(steps: int, batch_size: int) -> None:
    """Print the seconds of a step."""
    network = ESM2AMPS(width=256, h1=64, h2=32, layers=2, heads=8, feed_forward=256, dropout=0.0).train()
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3, fused=True)
    tokens, label = torch.randn(batch_size, 20, 256), (torch.arange(batch_size) % 2).float()
    for step in range(steps + 3):
        if step == 3:  # the first ones set things up
            begun = time.perf_counter()
        optimizer.zero_grad()
        binary_cross_entropy_with_logits(network(tokens), label).backward()
        optimizer.step()
    report(f"{(time.perf_counter() - begun) / steps}")


def count() -> None:
    """Keep a processor busy."""
    while True:
        pass


def main() -> None:
    """Measure every way beside every number of busy processes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--busy", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--measure", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.measure:
        measure(given.steps, given.batch_size)
        return
    options = [f"--steps={given.steps}", f"--batch-size={given.batch_size}", "--measure"]
    for busy in given.busy:
        others = [multiprocessing.Process(target=count, daemon=True) for _ in range(busy)]
        for other in others:
            other.start()
        for name, way in WAYS.items():
            environment = {key: value for key, value in os.environ.items() if not key.startswith(("OMP_", "GOMP_"))}
            command = [sys.executable, __file__, *options]
            found = subprocess.run(command, env=environment | way, capture_output=True, text=True, check=True)
            report(f"{busy} busy processes, {name}: {1000 * float(found.stdout):.1f} ms a step")
        for other in others:
            other.kill()


if __name__ == "__main__":
    main()
