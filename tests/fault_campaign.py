"""Faults at random moments of whole runs: kills, full disks, too little memory, and damaged files.

After each fault the run is started again, as a user would, and must end in the bytes of an undisturbed one. A damaged
file must be named with a remedy, or made anew: what it holds may not reach a result. By hand, for some hours:

    python tests/fault_campaign.py FOLDER --rounds 100 --seed 1

prints a line for each round, and ends with exit status 1 if one failed. The short form is in test_faults.py.
"""

import argparse
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple, get_args

import psutil
from kedro.framework.project import pipelines
from kedro.framework.startup import bootstrap_project

from conftest import DATA_FOLDER, ROOT, context_of, kedro_run_alone

Fault = Literal["killed", "terminated", "disk full", "memory short", "file damaged"]
FAULTS: Final[tuple[Fault, ...]] = get_args(Fault)

PIPELINES: Final = (
    "feature_extraction", "pair_building", "model_training", "evaluation", "interpretability", "functional_regions",
    "prediction", "explanation", "screening", "hyperparameter_search", "encoder_pretraining", "report",
)  # fmt: skip

SAME_EACH_TIME: Final = (".csv", ".fasta", ".parquet", ".safetensors")
"""Files without a time of day or a running time in them."""

READ_BACK: Final = (".parquet", ".safetensors", ".ckpt", ".npy", ".npz", ".pt", ".joblib", ".h5", ".json")
"""Files that later steps and later runs read, other than tables that users write as well."""


class Prepared(NamedTuple):
    """The state before a pipeline, and what an undisturbed run makes of it.

    Attributes
    ----------
    before : Path
        Data folder.
    after : dict
        Bytes of the files that an undisturbed run leaves, by their place.
    seconds, memory : float
        How long that run takes, and its address space at most, in bytes.
    """

    before: Path
    after: dict[str, bytes]
    seconds: float
    memory: float


class Ended(NamedTuple):
    """How a run ended: its exit status, negative where a signal ended it, and what it printed."""

    status: int
    output: str


def prepare(pipeline: str, finished: Path, folder: Path) -> Prepared:
    """The data folder of a finished default run without the outputs of a pipeline, which then runs undisturbed."""
    before, after = folder / "before", folder / "after"
    shutil.copytree(finished, before)
    (before / "01_raw/pretraining").mkdir(exist_ok=True)
    shutil.copy(before / "01_raw/planted/proteins.fasta", before / "01_raw/pretraining")
    _, catalog = context_of("test", before)
    for name in pipelines[pipeline].all_outputs():
        path = Path(str(getattr(catalog.get(name), "_filepath", before / "none")))
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    if pipeline == "feature_extraction":
        shutil.rmtree(before / "04_feature/store")
    shutil.copytree(before, after)
    started, peak = time.monotonic(), 0.0
    with started_run(pipeline, after) as process:
        while process.poll() is None:
            peak = max(peak, address_space(process.pid))
            time.sleep(0.05)
    ended = end_of(process)
    assert ended.status == 0, ended.output
    return Prepared(before, contents(after), time.monotonic() - started, peak)


def address_space(pid: int) -> float:
    """Bytes of virtual memory of a process; 0 where it has ended."""
    try:
        return float(psutil.Process(pid).memory_info().vms)
    except psutil.Error:
        return 0.0


def contents(data: Path) -> dict[str, bytes]:
    """Bytes of the files of a data folder that are the same in every run."""
    files = (file for file in data.rglob("*") if file.suffix in SAME_EACH_TIME and "checkpoints" not in str(file))
    return {file.relative_to(data).as_posix(): comparable(file) for file in files}


def comparable(file: Path) -> bytes:
    """The bytes of a file; of safetensors without the header, which may name shared weights in another order."""
    found = file.read_bytes()
    return found[8 + int.from_bytes(found[:8], "little") :] if file.suffix == ".safetensors" else found


def started_run(pipeline: str, data: Path, before_start: Callable[[], Any] | None = None) -> subprocess.Popen[str]:
    """A run in a process of its own, whose output goes to a file beside the data."""
    with (data.parent / "output.txt").open("w") as output:
        return subprocess.Popen(
            [sys.executable, "-m", "kedro", "run", "--env=test", f"--pipelines={pipeline}"],
            cwd=ROOT, env=os.environ | {DATA_FOLDER: str(data), "COLUMNS": "200"}, start_new_session=True,
            stdout=output, stderr=subprocess.STDOUT, text=True, preexec_fn=before_start,  # noqa: PLW1509
        )  # fmt: skip


def end_of(process: subprocess.Popen[str]) -> Ended:
    """Wait for the end of a run."""
    status = process.wait()
    return Ended(status, "")


def go_wrong(fault: Fault, pipeline: str, prepared: Prepared, data: Path, draw: random.Random) -> str:
    """Let a fault hit a run, or damage a file before it. What happened, in words."""
    if fault == "file damaged":
        return damage(draw.choice(files_read_back(data)), draw)
    limits = {
        "disk full": (resource.RLIMIT_FSIZE, int(2 ** draw.uniform(8, 20))),
        "memory short": (resource.RLIMIT_AS, int(prepared.memory * draw.uniform(0.3, 1))),
    }
    if fault in limits:
        kind, most = limits[fault]
        with started_run(pipeline, data, partial(resource.setrlimit, kind, (most, most))) as process:
            status = process.wait()
        return f"at most {most:,} bytes; ended with {status}"
    after = prepared.seconds * draw.uniform(0.1, 1)
    with started_run(pipeline, data) as process:
        try:
            process.wait(after)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL if fault == "killed" else signal.SIGTERM)
        status = process.wait()
    return f"after {after:.1f} s; ended with {status}"


def files_read_back(data: Path) -> list[Path]:
    """Files that were written by a run for later ones."""
    found = [file for file in data.rglob("*") if file.suffix in READ_BACK and "01_raw" not in file.parts]
    return sorted(file for file in found if file.stat().st_size and "08_reporting" not in file.parts)


def damage(file: Path, draw: random.Random) -> str:
    """Cut a file, or change one of its bits. What was done, in words."""
    content = bytearray(file.read_bytes())
    at = draw.randrange(len(content))
    if cut := draw.random() < 0.5:
        del content[at:]
    else:
        content[at] ^= 1 << draw.randrange(8)
    file.write_bytes(content)
    return f"{file.name} {'cut' if cut else 'changed'} at byte {at:,} of {file.stat().st_size if not cut else at:,}"


def play_round(fault: Fault, pipeline: str, prepared: Prepared, folder: Path, draw: random.Random) -> tuple[str, str]:
    """One fault and the run after it.

    Returns
    -------
    happened, wrong : str
        What the fault did, and what was wrong in the end: an empty text where all was well.
    """
    data = folder / "data"
    shutil.rmtree(data, ignore_errors=True)
    shutil.copytree(prepared.before, data)
    happened = go_wrong(fault, pipeline, prepared, data, draw)
    if fault != "file damaged" and "Traceback" in (folder / "output.txt").read_text() and fault == "disk full":
        happened += ", with a traceback"
    again = kedro_run_alone(data, f"--pipelines={pipeline}")
    if again.exit_code:
        named = fault == "file damaged" and "Traceback" not in again.output and happened.split()[0] in again.output
        return happened, "" if named else f"the run after it fails: {again.output[-2000:]}"
    found = contents(data)
    damaged = happened.split()[0] if fault == "file damaged" else None
    other = [
        name
        for name in prepared.after.keys() | found.keys()
        if prepared.after.get(name) != found.get(name) and Path(name).name != damaged
    ]
    return happened, f"other bytes than undisturbed: {', '.join(sorted(other)[:5])}" if other else ""


def main() -> None:
    """Play rounds, each with a pipeline and a fault in turn."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--pipelines", nargs="+", default=PIPELINES, choices=PIPELINES)
    parser.add_argument("--faults", nargs="+", default=FAULTS, choices=FAULTS)
    options = parser.parse_args()
    bootstrap_project(ROOT)
    finished = options.folder / "finished"
    for part in (["--pipelines=planted_data"], []) if not finished.exists() else ():
        done = kedro_run_alone(finished, *part)
        assert done.exit_code == 0, done.output
    draw, prepared, failed = random.Random(options.seed), {}, 0
    for number in range(options.rounds):
        pipeline = options.pipelines[number % len(options.pipelines)]
        fault = draw.choice(options.faults)
        folder = options.folder / pipeline
        if pipeline not in prepared:
            shutil.rmtree(folder, ignore_errors=True)
            prepared[pipeline] = prepare(pipeline, finished, folder)
        happened, wrong = play_round(fault, pipeline, prepared[pipeline], folder, draw)
        failed += bool(wrong)
        print(f"{number + 1:3} {pipeline}: {fault}, {happened}: {wrong or 'well'}", flush=True)  # noqa: T201
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()
