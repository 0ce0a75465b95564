"""Peak memory and time of training: ours beside the published way, which writes out the features of every pair.

    python tests/benchmarks/bench_training_memory.py
    python tests/benchmarks/bench_training_memory.py --width 192 --timed-pairs 1024 --micro-batch 0 \
        --stored-as float32 --precision 32-true bf16-mixed \
        --models ESM2_AMPS ESM2_AMP_CSE ESM2_DPM ESM2_GRU ESM2_MEAN

Bernett's numbers of proteins and pairs, random features and labels, the published sizes and batch sizes
(conf/esm2_650m). Every row is measured in a process of its own.

Ours is the node `train_model` itself, on a feature store and a pairs table of full size, stopped after a few steps of
the optimiser and of validation; its peak holds the end too, with checkpoints written and read. The published way is
DataFrame → numpy → TensorDataset → DataLoader → plain loop. Its data, held twice while converted, don't fit here: they
are made for a share of the training pairs, and their part of the memory is scaled to all of them. That favours it: no
table is read, joined or cut into folds, and there are no validation pairs.

Seconds are those of the processor, for 1,000 training pairs after one step that warms up.

What ESM2_AMPS at D = 1280 needs, in GB: 0.57 for what is imported and read, 0.41 for the table (0.21 as float16), 1.14
for weights, gradients and AdamW's moments, 0.09 for the activations of 8 pairs (0.17 of 16, 3.9 of 256), and 0.2 for
temporary gradients and what the allocator holds back. Tried, and left out because it didn't pay: gradients and moments
made before the first step, so that activations don't lie between them (saves 0.01–0.04); an allocator that gives memory
back sooner (MALLOC_MMAP_THRESHOLD_ 4 MB saves 0.03 and costs 7 % of the time, MALLOC_TRIM_THRESHOLD_ 1 MB 0.10 and
30 %); MALLOC_ARENA_MAX=1 and MKL_DISABLE_FAST_MM=1 (nothing); 4 pairs at once (saves 0.03, 7 % slower).
"""

import argparse
import logging
import math
import os
import tempfile
import time
import warnings
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

import lightning as L
import numpy as np
import pandas as pd
import torch
import yaml
from measuring import memory, report
from torch.nn.functional import binary_cross_entropy_with_logits
from torch.utils.data import DataLoader, TensorDataset

from esm2_amp.io.feature_store import FeatureIndex, FeatureShard, FeatureStoreDataset
from esm2_amp.models.registry import MODELS, build_network
from esm2_amp.parameters.model_training import ModelParameters
from esm2_amp.parameters.run import RunParameters
from esm2_amp.pipelines.model_training.nodes import train_model
from esm2_amp.protein import TOKENS

PUBLISHED_SETTINGS = Path(__file__).parents[2] / "conf/esm2_650m/parameters.yml"

PROTEINS = {"train": 4_286, "validation": 3_711, "test": 3_022}
PAIRS = {"train": 163_192, "validation": 59_260, "test": 52_048}
"""Of the Bernett gold standard, whose splits share no protein."""

PROTEINS_PER_SHARD = 200


class Case(NamedTuple):
    """What one row measures."""

    way: str
    model: str
    precision: str
    width: int
    timed_pairs: int
    micro_batch: int | None = None
    stored_as: str = "float32"
    pairs: int = PAIRS["train"]

    @property
    def settings(self) -> ModelParameters:
        """The published ones, for one epoch."""
        settings = yaml.safe_load(PUBLISHED_SETTINGS.read_text())[self.model]["settings"]
        settings["training"] |= {"precision": self.precision, "micro_batch_size": self.micro_batch}
        # of the two selections the one that reads a checkpoint at the end
        settings["training"] |= {"epochs": 1, "selection": "best_validation_mcc"}
        return ModelParameters(**settings)

    @property
    def steps(self) -> int:
        """Of the optimiser, the first of which warms up."""
        return 1 + math.ceil(self.timed_pairs / self.settings.training.batch_size)


class Measured(NamedTuple):
    """Memory in bytes and time in seconds."""

    imports: int
    peak: int
    seconds: float


def forget_peak() -> None:
    """Let `VmHWM` begin at the memory of now."""
    Path("/proc/self/clear_refs").write_text("5")


def seconds_per_1000(step_ends: list[float], batch_size: int) -> float:
    """Time per 1,000 pairs, from the end of the first step to that of the last."""
    return 1000 * (step_ends[-1] - step_ends[0]) / ((len(step_ends) - 1) * batch_size)


def write_store(store: FeatureStoreDataset, width: int, stored_as: str) -> None:
    """Random features of all proteins, in shards as extraction writes them."""
    generator, tables = torch.Generator().manual_seed(0), []
    for rows in torch.arange(sum(PROTEINS.values())).split(PROTEINS_PER_SHARD):
        keys = [f"{row:064x}" for row in rows.tolist()]
        table = pd.DataFrame({"key": keys, "length": 500, "windows": 1})
        feature = torch.randn(len(rows), len(TOKENS), width, generator=generator).to(getattr(torch, stored_as))
        shard = FeatureShard("random", table, feature)
        store.save(shard)
        entries = [f"P{row:05}" for row in rows.tolist()]
        tables.append(table.assign(Entry=entries, shard=shard.name, row=range(len(rows))))
    store.save(FeatureIndex("random", pd.concat(tables, ignore_index=True), width, {"encoder": "random"}))


def random_pairs(entries: list[str]) -> pd.DataFrame:
    """`model_pairs` of `pair_building`: each split's pairs among its own proteins."""
    generator, first, tables = np.random.default_rng(0), 0, []
    for split, count in PAIRS.items():
        a, b = generator.integers(first, first + PROTEINS[split], (2, count), dtype=np.int32)
        label = generator.integers(0, 2, count).astype(np.float32)
        tables.append(pd.DataFrame({"a": a, "b": b, "label": label, "split": split}))
        first += PROTEINS[split]
    pairs, names = pd.concat(tables, ignore_index=True), pd.Series(entries)
    return pairs.assign(Protein1=names[pairs["a"]].array, Protein2=names[pairs["b"]].array)


def ours(case: Case, folder: Path) -> Measured:
    """The node, stopped early."""
    imports, settings = memory("VmRSS"), case.settings
    ends: list[float] = []

    class StepClock(L.Callback):
        def on_train_batch_end(self, trainer: L.Trainer, *_: Any) -> None:
            if trainer.global_step > len(ends):
                ends.append(time.process_time())

    micro_batches = settings.training.batch_size // (case.micro_batch or settings.training.batch_size)
    trainer = L.Trainer

    def stopped_early(callbacks: list[L.Callback], **options: Any) -> L.Trainer:
        limits: dict[str, Any] = {"limit_train_batches": case.steps * micro_batches, "limit_val_batches": 1}
        return trainer(callbacks=[StepClock(), *callbacks], **options, **limits)

    features = store_of(case, folder).load()
    parameters = RunParameters(device="cpu", seed=0, data_name="random", scoring_batch_size=8)
    with mock.patch.object(L, "Trainer", stopped_early), tempfile.TemporaryDirectory(dir=folder) as checkpoints:
        train_model(random_pairs(features.entries), features, {}, Path(checkpoints, "fit"), settings, parameters)
    return Measured(imports, memory("VmHWM"), seconds_per_1000(ends, settings.training.batch_size))


def published(case: Case) -> Measured:
    """Pair features written out, and a plain loop."""
    imports, settings, training = memory("VmRSS"), case.settings, case.settings.training
    ends: list[float] = []
    tokens = 2 * len(TOKENS[MODELS[case.model].network.protein_tokens])
    generator = np.random.default_rng(0)
    features = pd.DataFrame(generator.standard_normal((case.pairs, tokens * case.width), dtype=np.float32))
    label = torch.from_numpy(generator.integers(0, 2, case.pairs).astype(np.float32))
    vectors = torch.tensor(features.to_numpy().reshape(-1, tokens, case.width)).float()
    del features
    held, twice = memory("VmRSS") - imports, memory("VmHWM") - imports
    forget_peak()
    network = build_network(settings.network, case.width).train()
    optimizer = torch.optim.AdamW(network.parameters(), lr=training.learning_rate, weight_decay=training.weight_decay)
    loader = DataLoader(TensorDataset(vectors, label), batch_size=training.batch_size, shuffle=True)
    while len(ends) < case.steps:
        for batch, truth in loader:
            optimizer.zero_grad()
            with torch.autocast("cpu", torch.bfloat16, enabled=case.precision == "bf16-mixed"):
                logit = network(batch)
            loss = binary_cross_entropy_with_logits(logit.float(), truth)
            loss.backward()
            optimizer.step()
            ends.append(time.process_time())
            if len(ends) == case.steps:
                break
    while_training, scale = memory("VmHWM") - imports - held, PAIRS["train"] / case.pairs
    peak = imports + int(max(scale * twice, scale * held + while_training))
    return Measured(imports, peak, seconds_per_1000(ends, training.batch_size))


def store_of(case: Case, folder: Path) -> FeatureStoreDataset:
    """The store of the case's number format."""
    path = folder / case.stored_as
    return FeatureStoreDataset(path=str(path), filepath=str(path / "index.parquet"))


def measure(case: Case, folder: Path) -> Measured:
    """Measure one row; to be called in a fresh process."""
    warnings.simplefilter("ignore")
    logging.getLogger("lightning").setLevel(logging.ERROR)
    return published(case) if case.way == "published" else ours(case, folder)


def cases(arguments: argparse.Namespace) -> list[Case]:
    """The rows of the table."""
    rows = []
    for model in arguments.models:
        for precision in arguments.precision:
            common = (model, precision, arguments.width, arguments.timed_pairs)
            rows.append(Case("published", *common, pairs=arguments.share))
            for stored_as in arguments.stored_as:
                of_batch = Case("ours", *common, stored_as=stored_as)
                whole = of_batch.settings.training.batch_size
                micro_batches = dict.fromkeys(size for size in arguments.micro_batch if size < whole)
                rows += [of_batch._replace(micro_batch=size or None) for size in micro_batches]
    return rows


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", choices=MODELS, default=["ESM2_AMPS", "ESM2_DPM"])
    parser.add_argument("--width", type=int, default=1280, help="D")
    parser.add_argument("--precision", nargs="+", default=["32-true"], help="32-true, bf16-mixed")
    parser.add_argument("--stored-as", nargs="+", choices=["float32", "float16"], default=["float32", "float16"])
    parser.add_argument("--micro-batch", nargs="+", type=int, default=[0, 8], help="pairs held at once; 0: the batch")
    parser.add_argument("--share", type=int, default=4000, help="pairs that the published way writes out")
    parser.add_argument("--timed-pairs", type=int, default=512)
    arguments = parser.parse_args()
    report(f"{os.cpu_count()} processors, {torch.get_num_threads()} threads, torch {torch.__version__}, "
           f"D = {arguments.width}, {PAIRS['train']:,} training pairs")  # fmt: skip
    report(f"{'model':14}{'precision':12}{'way':11}{'stored as':>10}{'at once':>9}{'peak GB':>9}{'imports':>9}"
           f"{'s/1,000 pairs':>15}")  # fmt: skip
    with tempfile.TemporaryDirectory() as name:
        folder, rows = Path(name), cases(arguments)
        for case in {case.stored_as: case for case in rows}.values():
            write_store(store_of(case, folder), case.width, case.stored_as)
        for case in rows:
            with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as fresh:
                row = fresh.submit(measure, case, folder).result()
            scaled = case.way == "published"
            report(f"{case.model:14}{case.precision:12}{case.way:11}{'' if scaled else case.stored_as:>10}"
                   f"{case.micro_batch or case.settings.training.batch_size:9}{row.peak / 1e9:9.2f}"
                   f"{row.imports / 1e9:9.2f}{row.seconds:15.2f}"
                   f"{f'   peak scaled from {case.pairs:,} pairs' if scaled else ''}")  # fmt: skip


if __name__ == "__main__":
    main()
