"""Large pair files, in seconds and peak memory: read and cleaned, trained on, and predicted, beside the way before.

    python tests/benchmarks/bench_large_tables.py
    python tests/benchmarks/bench_large_tables.py --pairs 200000 --proteins 2000
    python tests/benchmarks/bench_large_tables.py --only "clean for training" store

Random pairs of proteins with random vectors (D = 192), by a random ESM2_DPM of the sizes of `ppi_mini`. Every row is
measured in a process of its own; `MB more` is its peak above what the imports take, the vectors (10 kB each) included.
`CPU s`, the seconds of all threads together, hardly depend on what else the machine does.

- `clean for training`: a labelled CSV file read and cleaned as by `pair_building`.
- `train`: the pairs as a table, nine tenths of which an `ESM2_MEAN` is fitted to in one epoch (1,024 pairs a step); the
  others are its validation pairs.
- `predict, in memory`: the file as a table, scored by the network and written by pandas, as it was before.
- `predict, csv` and `predict, parquet`: the same by the steps of `prediction`, to each format.
- `predict again`: the same when all scores are there, as after a kill at the very end.
- `store`: an index of so many proteins (`--stored`) written and opened, and the vectors of 1,000 of them read.
"""

import argparse
import hashlib
import tempfile
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import torch
from measuring import memory, report
from pyarrow import csv

from esm2_amp.features import ProteinFeatures
from esm2_amp.io.checked_pairs import CheckedPairsDataset
from esm2_amp.io.feature_store import FeatureIndex, FeatureShard, FeatureStoreDataset
from esm2_amp.io.pairs import PairBlocksDataset, PairsDataset
from esm2_amp.io.predictions import PredictionsDataset
from esm2_amp.models.dpm import ESM2DPM
from esm2_amp.models.scoring import score_pairs
from esm2_amp.models.storage import TrainedModel
from esm2_amp.parameters.evaluation import BaselineParameters, EvaluationParameters
from esm2_amp.parameters.model_training import ModelParameters
from esm2_amp.parameters.prediction import PredictionParameters
from esm2_amp.parameters.run import RunParameters
from esm2_amp.pipelines.model_training.nodes import train_model
from esm2_amp.pipelines.prediction.nodes import check_pair_file, clean_new_pairs, match_pairs, score_pair_file
from esm2_amp.statistics.metrics import sigmoid
from esm2_amp.validation.pairs import clean_pairs

WIDTH: Final = 192
RUN = RunParameters(device="cpu", seed=0, data_name="random pairs", scoring_batch_size=1024)
EVALUATION = EvaluationParameters(threshold=0.5, replicates=100, baselines=BaselineParameters())


class Work(NamedTuple):
    """A folder with `pairs.csv`, whose pairs are of so many proteins."""

    folder: Path
    proteins: int

    @property
    def names(self) -> list[str]:
        """Names as accessions."""
        return [f"P{number:05}" for number in range(self.proteins)]

    @property
    def features(self) -> Any:
        """Random vectors, in the place of `ProteinFeatures`."""
        return _Features(self.names, torch.randn(self.proteins, 13, WIDTH, generator=torch.Generator().manual_seed(0)))


class _Features(NamedTuple):
    entries: list[str]
    table: torch.Tensor
    width: int = WIDTH
    provenance: Mapping[str, str] = {"encoder": "random"}

    def select(self, tokens: slice, rows: list[int] | None = None) -> torch.Tensor:
        """As `ProteinFeatures.select`."""
        return self.table[:, tokens] if rows is None else self.table[rows][:, tokens]


def model() -> TrainedModel:
    """A random network of the sizes of `ppi_mini`."""
    torch.manual_seed(0)
    return TrainedModel("ESM2_DPM", ESM2DPM(WIDTH, 2048, 512, 64).eval(), {"temperature": 2.0})


def write_pairs(work: Work, pairs: int) -> None:
    """Write the pair file, labelled."""
    rng, names = np.random.default_rng(0), np.array(work.names)
    a, b = rng.integers(work.proteins, size=(2, pairs))
    label = (a * 31 + b * 31) % 2  # the same for both orders
    table = pa.table({"Protein1": names[a], "Protein2": names[b], "Label": label})
    csv.write_csv(table, work.folder / "pairs.csv", csv.WriteOptions(quoting_style="none"))


def clean_for_training(work: Work) -> None:
    """Read and clean, every name among the proteins."""
    raw = PairsDataset(str(work.folder / "pairs.csv")).load()
    assert raw is not None
    clean_pairs(
        raw, work.names, self_pairs="drop", duplicate_pairs="drop", labels="required", protein_source="proteins"
    )


def predict_in_memory(work: Work) -> None:
    """Read, clean, score by the network, and write, each as a whole."""
    raw = PairsDataset(str(work.folder / "pairs.csv")).load()
    proteins, trained, features = pd.DataFrame({"Entry": work.names}, dtype="str"), model(), work.features
    pairs, *_ = clean_new_pairs(raw, proteins, None, PredictionParameters())
    of_network = trained.pairs(features, pairs)
    logit = score_pairs(trained.network, of_network, batch_size=RUN.scoring_batch_size, device=torch.device("cpu"))
    pairs["Probability"], pairs["CalibratedProbability"] = sigmoid(logit), sigmoid(logit / 2)
    pairs["Prediction"] = (pairs["Probability"] >= EVALUATION.fixed_threshold).astype("Int8")
    pairs.drop(columns="row").to_csv(work.folder / "in_memory.csv", index=False)


def predict(work: Work, ending: str) -> None:
    """The steps of `prediction`, each result saved and loaded as in a run."""
    proteins = pd.DataFrame({"Entry": work.names}, dtype="str")
    checked = CheckedPairsDataset(filepath=str(work.folder / "checked.parquet"))
    checked.save(check_pair_file(PairBlocksDataset(str(work.folder / "pairs.csv")).load(), proteins,
                                 PredictionParameters()))  # fmt: skip
    pairs = checked.load()
    names, *_ = match_pairs(pairs, proteins, None)
    predicted, _ = score_pair_file(pairs, names, work.features, model(), work.folder / "state", EVALUATION, RUN)
    PredictionsDataset(filepath=str(work.folder / f"predicted{ending}")).save(predicted)


def predict_csv(work: Work) -> None:
    """Predict to CSV."""
    predict(work, ".csv")


def predict_parquet(work: Work) -> None:
    """Predict to Parquet, from scratch."""
    for part in (work.folder / "state").glob("*"):
        part.unlink()
    predict(work, ".parquet")


def stored(work: Work, width: int) -> FeatureStoreDataset:
    """A store of the work's proteins with its index."""
    dataset = FeatureStoreDataset(path=str(work.folder / "store"), filepath=str(work.folder / "index.parquet"))
    keys = [hashlib.sha256(name.encode()).hexdigest() for name in work.names]
    tables, generator = [], torch.Generator().manual_seed(0)
    for start in range(0, work.proteins, 300):
        part = slice(start, start + 300)
        table = pd.DataFrame({"key": keys[part], "length": 300, "windows": 1})
        shard = FeatureShard("group", table, torch.randn(len(table), 13, width, generator=generator))
        dataset.save(shard)
        tables.append(table.assign(Entry=work.names[part], shard=shard.name, row=range(len(table))))
    dataset.save(FeatureIndex("group", pd.concat(tables, ignore_index=True), width, {}))
    return dataset


def store(work: Work) -> None:
    """Write a store (narrow vectors), open it and look vectors up."""
    dataset = stored(work, width=8)
    begun = time.perf_counter()
    features: ProteinFeatures = dataset.load()
    opened = time.perf_counter()
    features.select(slice(0, 13), np.random.default_rng(0).choice(work.proteins, 1000).tolist())
    report(f"store of {work.proteins:,} proteins: opened in {opened - begun:.2f} s, vectors of 1,000 in "
           f"{time.perf_counter() - opened:.2f} s")  # fmt: skip


def train(work: Work) -> None:
    """The step `train_model` on all pairs."""
    pairs = pd.read_csv(work.folder / "pairs.csv", engine="pyarrow").rename(columns={"Label": "label"})
    pairs["split"] = np.where(np.arange(len(pairs)) % 10 == 0, "validation", "train")
    network = {"architecture": "ESM2_MEAN", "h1": 64, "h2": 32}
    training = {"learning_rate": 1e-3, "weight_decay": 0.01, "batch_size": 1024, "epochs": 1}
    settings = ModelParameters.model_validate({"network": network, "training": training})
    train_model(pairs, stored(work, WIDTH).load(), {}, work.folder, settings, RUN)


STEPS: Final[dict[str, Callable[[Work], None]]] = {
    "clean for training": clean_for_training,
    "train": train,
    "predict, in memory": predict_in_memory,
    "predict, csv": predict_csv,
    "predict again, csv": predict_csv,
    "predict, parquet": predict_parquet,
    "store": store,
}


def measure(step: str, work: Work) -> tuple[float, float, int]:
    """Seconds of a step, those of the processor, and bytes of its peak above what was there before."""
    before, begun, used = memory("VmRSS"), time.perf_counter(), time.process_time()
    STEPS[step](work)
    return time.perf_counter() - begun, time.process_time() - used, memory("VmHWM") - before


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=10_000_000)
    parser.add_argument("--proteins", type=int, default=20_000, help="that the pairs are of")
    parser.add_argument("--stored", type=int, default=100_000, help="proteins of the store")
    parser.add_argument("--only", nargs="+", default=list(STEPS), choices=list(STEPS))
    parser.add_argument("--folder", help="where files are written, a folder in which there is room")
    arguments = parser.parse_args()
    report(f"{torch.get_num_threads()} threads, torch {torch.__version__}, {arguments.pairs:,} pairs")
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        work = Work(Path(folder), arguments.proteins)
        write_pairs(work, arguments.pairs)
        report(f"{'':22}{'seconds':>9}{'CPU s':>9}{'pairs/s':>12}{'MB more':>9}")
        for step in arguments.only:
            of_step = work._replace(proteins=arguments.stored) if step == "store" else work
            with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as fresh:
                seconds, processor, peak = fresh.submit(measure, step, of_step).result()
            report(f"{step:22}{seconds:9.1f}{processor:9.1f}{arguments.pairs / seconds:12,.0f}{peak / 1e6:9,.0f}")


if __name__ == "__main__":
    main()
