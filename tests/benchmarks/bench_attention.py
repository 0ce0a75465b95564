"""Time of a training step on the CPU by our encoder layers and by PyTorch's own, for the demonstration's transformers.

    python tests/benchmarks/bench_attention.py [--steps N]

The networks have the sizes of `conf/base`, D = 256, random vectors and labels. Both take turns, a step each, so that
other work on the machine slows both alike; the medians are compared.
"""

import argparse
import statistics
import time
from pathlib import Path

import torch
import yaml
from measuring import report
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits

from esm2_amp.models.amp import EncoderLayer, SelfAttention
from esm2_amp.models.base import PairNetwork
from esm2_amp.models.registry import build_network
from esm2_amp.parameters.model_training import ModelParameters

SETTINGS = Path(__file__).parents[2] / "conf/base/parameters_model_training.yml"
WIDTH, WARM_UP = 256, 10


def by_pytorch(network: PairNetwork) -> PairNetwork:
    """The same network with PyTorch's own layers and attention."""
    theirs: dict[type, type] = {EncoderLayer: nn.TransformerEncoderLayer, SelfAttention: nn.MultiheadAttention}
    for module in network.modules():
        module.__class__ = theirs.get(type(module), type(module))
    return network


class Training:
    """A network under AdamW on random pairs."""

    def __init__(self, network: PairNetwork, pairs: int, tokens: int) -> None:
        self._network = network.train()
        self._optimizer = torch.optim.AdamW(network.parameters(), lr=1e-4, fused=True)
        generator = torch.Generator().manual_seed(0)
        self._tokens = torch.randn(pairs, tokens, WIDTH, generator=generator)
        self._label = torch.randint(2, (pairs,), generator=generator).float()

    def step(self) -> float:
        """Seconds of one step."""
        start = time.perf_counter()
        self._optimizer.zero_grad(set_to_none=True)
        binary_cross_entropy_with_logits(self._network(self._tokens), self._label).backward()
        self._optimizer.step()
        return time.perf_counter() - start


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=100)
    given = parser.parse_args()
    report(f"{torch.get_num_threads()} threads, torch {torch.__version__}, {torch.backends.cpu.get_cpu_capability()}")
    report(f"{'model':14}{'pairs':>6}{'PyTorch':>12}{'ours':>12}{'ratio':>8}")
    for name in ("ESM2_AMPS", "ESM2_AMP_CSE"):
        settings = ModelParameters(**yaml.safe_load(SETTINGS.read_text())[name]["settings"])
        networks = by_pytorch(build_network(settings.network, WIDTH)), build_network(settings.network, WIDTH)
        tokens, pairs = 2 * len(range(13)[networks[0].protein_tokens]), settings.training.batch_size
        rows = [Training(network, pairs, tokens) for network in networks]
        taken = [[row.step() for row in rows] for _ in range(WARM_UP + given.steps)][WARM_UP:]
        theirs, ours = (1000 * statistics.median(column) for column in zip(*taken, strict=True))
        report(f"{name:14}{pairs:6}{theirs:9.1f} ms{ours:9.1f} ms{ours / theirs:8.2f}")


if __name__ == "__main__":
    main()
