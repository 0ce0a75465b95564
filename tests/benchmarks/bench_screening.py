"""Pairs per second of screening, beside a pair file, D-SCRIPT, and what the machine's matrix products allow.

    python tests/benchmarks/bench_screening.py
    python tests/benchmarks/bench_screening.py --width 192 --models ESM2_DPM --pairs 200000
    python tests/benchmarks/bench_screening.py --model-folder data/06_models/ppi_mini/model
    python tests/benchmarks/bench_screening.py --memory
    python tests/benchmarks/bench_screening.py --d-script

Published sizes (conf/esm2_650m) with random weights, or a trained model, on random features. Every row is measured in a
process of its own, both ways one after the other.

- `network`: a pair file read as CSV, checked, scored batch by batch by the network itself, written as CSV.
- `file`: the same by the nodes of `prediction`, whose scorers compute once what is common to many pairs.
- `screen`: the screen of some proteins with as many others, which is what nearly all tiles of a proteome are, with all
  that is kept and written of it. Of networks that see the order of the partners it scores both orders, a file one.
- `limit`: pairs per second if nothing but the matrix products that remain per pair took time, each at the speed of
  `torch.mm` at its shape, by as many threads side by side as PyTorch has, at the best of several numbers of rows.

`--memory` screens all pairs of 2,000 and of 11,019 proteins by a small network: peaks without the table of vectors, so
that what grows with the pairs would show. `--d-script` measures D-SCRIPT's own model (PyPI: dscript), with random
weights of its published sizes, on proteins of 300 to 500 residues whose language-model vectors are there already.
"""

import argparse
import math
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np
import pandas as pd
import torch
import yaml
from measuring import memory, report
from torch import Tensor

from esm2_amp.devices import side_by_side
from esm2_amp.features import ProteinFeatures
from esm2_amp.io.pairs import PairsDataset
from esm2_amp.models.base import PairNetwork
from esm2_amp.models.ensemble import members_of
from esm2_amp.models.registry import MODELS, build_network
from esm2_amp.models.scoring import score_pairs
from esm2_amp.models.storage import TrainedModel, load_model
from esm2_amp.parameters.evaluation import BaselineParameters, EvaluationParameters
from esm2_amp.parameters.model_training import MeanParameters, ModelParameters
from esm2_amp.parameters.prediction import PredictionParameters
from esm2_amp.parameters.run import RunParameters
from esm2_amp.parameters.screening import ScreeningParameters
from esm2_amp.pipelines.prediction.nodes import clean_new_pairs, score_new_pairs
from esm2_amp.protein import TOKENS
from esm2_amp.screening.engine import Work, screen
from esm2_amp.screening.kept import Keeping, Watch
from esm2_amp.screening.tiles import WantedPairs
from esm2_amp.statistics.metrics import sigmoid

PUBLISHED_SETTINGS = Path(__file__).parents[2] / "conf/esm2_650m/parameters.yml"
RUN = RunParameters(device="cpu", seed=0, data_name="random pairs", scoring_batch_size=1024)
EVALUATION = EvaluationParameters(threshold=0.5, replicates=100, baselines=BaselineParameters())
ROWS_OF_PRODUCTS = (32, 64, 128, 256, 512)
SECONDS = 0.3
"""How long each speed is measured."""

D_SCRIPT_VECTORS = 6165
D_SCRIPT_RESIDUES = (300, 500)


class RandomFeatures(NamedTuple):
    """Random vectors of P proteins, in the place of `ProteinFeatures`."""

    table: Tensor
    provenance: dict[str, Any]

    @property
    def entries(self) -> list[str]:
        """Names as accessions."""
        return [f"P{number:05}" for number in range(len(self.table))]

    @property
    def width(self) -> int:
        """D."""
        return self.table.shape[-1]

    def select(self, tokens: slice, rows: list[int] | None = None) -> Tensor:
        """As `ProteinFeatures.select`."""
        return self.table[:, tokens] if rows is None else self.table[rows][:, tokens]


class Row(NamedTuple):
    """Speeds in pairs per second, and the work that remains of a pair in floating-point operations."""

    pairs: int
    network: float
    file: float
    screen: float
    limit: float
    operations: float
    peak: int


def model_of(model: str, width: int) -> TrainedModel:
    """A network of published sizes, or a trained one."""
    if model not in MODELS:
        return load_model(Path(model))
    settings = ModelParameters(**yaml.safe_load(PUBLISHED_SETTINGS.read_text())[model]["settings"])
    torch.manual_seed(0)
    return TrainedModel(model, build_network(settings.network, width).eval(), {})


def products_of(network: PairNetwork) -> list[tuple[float, int, int]]:
    """What remains per pair: (rows, inputs, outputs) of each matrix product; attention within pairs counts as one."""
    if len(members := members_of(network)) > 1:
        return [product for member in members for product in products_of(member)]
    name, sizes = type(network).__name__, network.sizes
    d = sizes["width"]
    if name == "ESM2DPM":
        return [(2, a, b) for a, b in ((sizes["h1"], sizes["h2"]), (sizes["h2"], sizes["h3"]), (sizes["h3"], 1))]
    if name == "ESM2SIAM":
        return [(1, sizes["h2"], sizes["h3"]), (1, sizes["h3"], 1)]
    head = [(1.0, d, sizes["h1"]), (1.0, sizes["h1"], sizes["h2"]), (1.0, sizes["h2"], 1)]
    if name == "ESM2MEAN":
        return head[1:]
    if name == "ESM2GRU":
        layers = sizes["layers"]
        return [(2 * 10 * (layers - 1), d, 3 * d), (2 * 9 * layers, d, 3 * d), *((2 * n, a, b) for n, a, b in head)]
    t, layers, wide = 2 * len(TOKENS[network.protein_tokens]), sizes["layers"], sizes["feed_forward"]
    maps, attention = ((layers - 1) * t, d, 3 * d), (2 * layers * t, d, t)
    feed_forward = [(layers * t, d, wide), ((layers - 1) * t + 1, wide, d)]
    return [maps, attention, (layers * t, d, d), *feed_forward, *head]


def speed_of_product(inputs: int, outputs: int) -> float:
    """Operations per second of `torch.mm`, at the best number of rows, by all threads with a product each."""
    threads, best = torch.get_num_threads(), 0.0
    with side_by_side(1 << 20, torch.device("cpu")) as pool:
        for rows in ROWS_OF_PRODUCTS:
            operands = [(torch.randn(rows, inputs), torch.randn(outputs, inputs).T) for _ in range(threads)]
            done = sum(pool.map(lambda pair: _repeated(lambda: torch.mm(*pair)), operands))
            best = max(best, done * 2 * rows * inputs * outputs)
    return best


def _repeated(work: Callable[[], object]) -> float:
    """How often some work is done in a second."""
    work()
    count, start = 0, time.perf_counter()
    while time.perf_counter() - start < SECONDS:
        work()
        count += 1
    return count / (time.perf_counter() - start)


def through_a_file(model: TrainedModel, features: RandomFeatures, pairs: int, *, by_network: bool) -> float:
    """Seconds for some of the pairs through a file, read and written, by the network itself or as `prediction` does."""
    side = len(features.table) // 2
    names, number = np.array(features.entries), np.arange(pairs)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "pairs.csv"
        partners = {"Protein1": names[number // side], "Protein2": names[side + number % side]}
        pd.DataFrame(partners).to_csv(file, index=False)
        proteins = pd.DataFrame({"Entry": features.entries}, dtype="str")
        start = time.perf_counter()
        raw = PairsDataset(str(file)).load()
        cleaned, *_ = clean_new_pairs(raw, proteins, None, PredictionParameters())
        known = cast("ProteinFeatures", features)
        if by_network:
            logit = score_pairs(model.network, model.pairs(known, cleaned), batch_size=1024, device=torch.device("cpu"))
            scored = cleaned.assign(Logit=logit, Probability=sigmoid(logit))
        else:
            scored = score_new_pairs(cleaned, known, model, EVALUATION, RUN)
        scored.to_csv(Path(folder) / "scored.csv", index=False)
        return time.perf_counter() - start


def screened(network: PairNetwork, table: Tensor, wanted: WantedPairs) -> float:
    """Seconds for a screen of the proteins of a table of vectors."""
    parameters = ScreeningParameters(top=min(100, len(table) // 2 - 1), threshold=0.999)
    keeping = Keeping(parameters.top, 20.0, Watch.nothing(len(table)))
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        screen(Work(network, "cpu", "float32", wanted, keeping), table, Path(folder), parameters)
        return time.perf_counter() - start


def measure(model: str, width: int, pairs: int, of_file: int) -> Row:
    """One row; to be called in a fresh process."""
    trained = model_of(model, width)
    network = trained.network
    width, side = network.sizes["width"], math.isqrt(pairs)
    table = torch.randn(2 * side, len(TOKENS), width, generator=torch.Generator().manual_seed(0))
    features = RandomFeatures(table, {"encoder": "imported", "fingerprint": ""})
    products = products_of(network)
    seconds = sum(2 * n * i * o / speed_of_product(i, o) for n, i, o in products)
    by_network, by_file = (through_a_file(trained, features, of_file, by_network=by) for by in (True, False))
    is_query = np.arange(2 * side) < side
    wanted = WantedPairs.of(is_query, ~is_query, self_pairs=False)
    by_screen = screened(network, features.select(network.protein_tokens), wanted)
    operations = sum(2 * n * i * o for n, i, o in products)
    speeds = of_file / by_network, of_file / by_file, len(wanted) / by_screen, 1 / seconds
    return Row(len(wanted), *speeds, operations, memory("VmHWM"))


def measure_memory(proteins: int) -> tuple[int, int, float]:
    """Memory before and at its peak, in bytes, and seconds, of a screen of all pairs; in a fresh process."""
    network = build_network(MeanParameters(architecture="ESM2_MEAN", h1=16, h2=8), 192)
    table = torch.randn(proteins, 10, 192)
    before, everybody = memory("VmRSS"), np.ones(proteins, bool)
    seconds = screened(network, table, WantedPairs.of(everybody, everybody, self_pairs=False))
    return before, memory("VmHWM"), seconds


def measure_d_script(pairs: int) -> float:
    """Pairs per second of D-SCRIPT's model, one pair at a time, as its prediction does."""
    from dscript.models.contact import ContactCNN  # noqa: PLC0415 - may be missing
    from dscript.models.embedding import FullyConnectedEmbed  # noqa: PLC0415 - may be missing
    from dscript.models.interaction import ModelInteraction  # noqa: PLC0415 - may be missing

    torch.manual_seed(0)
    model = ModelInteraction(FullyConnectedEmbed(D_SCRIPT_VECTORS, 100), ContactCNN(100, 50, 7), use_cuda=False).eval()
    rng = np.random.default_rng(0)
    vectors = [torch.randn(1, int(n), D_SCRIPT_VECTORS) for n in rng.integers(*D_SCRIPT_RESIDUES, 12)]
    chosen = rng.integers(len(vectors), size=(pairs, 2))
    with torch.inference_mode():
        start = time.perf_counter()
        for a, b in chosen:
            model.predict(vectors[a], vectors[b])
        return pairs / (time.perf_counter() - start)


def alone(function: Callable[..., Any], *arguments: Any) -> Any:
    """What a function returns in a process of its own."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as fresh:
        return fresh.submit(function, *arguments).result()


def report_d_script(pairs: int) -> None:
    """Print D-SCRIPT's row."""
    try:
        speed = alone(measure_d_script, pairs)
    except ModuleNotFoundError as error:
        report(f"D-SCRIPT isn't measured: {error}; pip install --no-deps dscript==0.3.1")
        return
    report(f"D-SCRIPT: {speed:,.2f} pairs/s")


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", default=list(MODELS), choices=list(MODELS))
    parser.add_argument("--model-folder", nargs="+", default=[])
    parser.add_argument("--width", type=int, nargs="+", default=[192, 320, 1280], help="D")
    parser.add_argument("--pairs", type=int, help="of a screen; by default about ten seconds of work")
    parser.add_argument("--memory", action="store_true")
    parser.add_argument("--d-script", action="store_true")
    arguments = parser.parse_args()
    report(f"{torch.get_num_threads()} threads, torch {torch.__version__}")
    if arguments.memory:
        for proteins in (2_000, 11_019):
            before, peak, seconds = alone(measure_memory, proteins)
            report(f"{proteins:,} proteins, {proteins * (proteins - 1) // 2:,} pairs: {before / 1e6:.0f} MB before, "
                   f"{(peak - before) / 1e6:.0f} MB more at the peak, {seconds:.0f} s")  # fmt: skip
        return
    report_d_script(20)
    if arguments.d_script:
        return
    report(f"{'model':14}{'D':>6}{'pairs':>11}{'network/s':>11}{'file/s':>10}{'screen/s':>10}{'/network':>10}{'/file':>7}"
           f"{'MFLOP':>9}{'limit/s':>10}{'of limit':>10}{'peak GB':>9}")  # fmt: skip
    rows = [(model, width) for model in arguments.models for width in arguments.width]
    for model, width in [(folder, 0) for folder in arguments.model_folder] or rows:
        work = sum(2 * n * i * o for n, i, o in products_of(model_of(model, width or 8).network))
        pairs = arguments.pairs or int(min(1_000_000, max(500, 6e11 / work)))
        row: Row = alone(measure, model, width, pairs, max(200, pairs // 5))
        name = model if model in MODELS else Path(model).parent.name
        report(f"{name:14}{width or '':>6}{row.pairs:11,}{row.network:11,.0f}{row.file:10,.0f}{row.screen:10,.0f}"
               f"{row.screen / row.network:10.1f}{row.screen / row.file:7.1f}{row.operations / 1e6:9.2f}"
               f"{row.limit:10,.0f}"
               f"{row.screen / row.limit:10.0%}{row.peak / 1e9:9.2f}")  # fmt: skip


if __name__ == "__main__":
    main()
