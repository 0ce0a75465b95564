"""Faults at random moments of runs, and damaged files: what comes out must be what an undisturbed run writes.

First part. A pipeline is started, as `kedro run --env=test --pipeline=NAME` with a data folder of its own, and hit by a
fault: SIGKILL, SIGTERM, a full disk, or too little memory. At that moment every file under its final name must hold
what it held before or what it holds in the end, or be one that grows. Then the same command runs again. It must end
well, and leave the files of an undisturbed run with the same bytes, and no others. Half of the moments are drawn
uniformly from the duration of the undisturbed run, and half follow the creation of one of its files, so that writes are
hit. The disk is a small file system in memory where one can be mounted; elsewhere the size of files is limited, and the
campaign says so.

Second part. Files that a run reads back are found by the time of their last access. Each is cut to nothing, to half and
by its last byte, and one bit anywhere in it is flipped. The run must name the file and a remedy, or make it anew; what
a damaged file holds may not reach a result.

A changed bit is noticed by a checksum:

- Parquet, safetensors of features, of autoencoders and of a model's training: of the whole file, in the file.
- JSON of datasets, parts of the report, journals of studies: of the values, as the field `crc32`.
- States of a teacher: of each part, in a file beside them.
- A model's weights, `config.json` and training proteins: by the hashes in its `card.json`. An encoder's weights and
  settings: by the fingerprint in its `config.json`.
- NPZ, checkpoints, PNG, .csv.gz, Excel and what joblib compresses: those of their formats, which are compared.

It isn't in what people edit or read, and other programs write: tables in CSV, FASTA, `card.json` (but for the hashes,
which only an altered file contradicts), cards in Markdown, the report. Another digit there is data, which nothing can
tell from the true one. A flip in one of them turns a byte into one that is no UTF-8, which must be told. For the same
reason a table in CSV that is cut exactly behind a line passes for a shorter one. `fit.json` and `teacher.json` have no
checksum, since a changed one names another fit or teacher, and nothing is used then.

By hand, for an hour or more, in a folder that may be used again:

    python tests/fault_campaign.py /tmp/faults --runs 100 --seed 1

The short form is in test_faults.py. Where files carry times, `VARYING` names them, and what of them is compared.
"""

import argparse
import contextlib
import fnmatch
import hashlib
import importlib
import io
import json
import os
import pkgutil
import random
import re
import resource
import shutil
import signal
import subprocess
import sys
import time
import traceback
import zipfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple, get_args

import optuna
import pandas as pd
import torch
from kedro.framework.project import pipelines
from kedro.framework.startup import bootstrap_project
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

import esm2_amp
from conftest import DATA_FOLDER, ROOT, context_of
from esm2_amp.cli import run as kedro_run
from esm2_amp.errors import InputError
from esm2_amp.io.explanations import ExplanationsDataset
from esm2_amp.io.feature_store import FeatureStoreDataset
from esm2_amp.io.kedro_adapter import dataset_path
from esm2_amp.io.models import FolderDataset

Fault = Literal["killed", "terminated", "disk full", "memory short", "cut to nothing", "cut to half", "cut by a byte",
                "flipped"]  # fmt: skip
FAULTS: Final[tuple[Fault, ...]] = get_args(Fault)
DAMAGES: Final = FAULTS[4:]

PIPELINES: Final = (
    "feature_extraction", "pair_building", "model_training", "evaluation", "interpretability", "functional_regions",
    "report", "prediction", "screening", "explanation", "pair_evaluation", "feature_export", "latent_explanation",
    "model_release", "hyperparameter_search", "refit", "finetuning", "encoder_pretraining", "planted_data",
)  # fmt: skip

GROWING: Final = ("*.ckpt", "*/fit.json", "*/journal.log", "*/screen.npz", "*/part-*.npz", "*/scans/*.npz")
"""Files that a run adds to, or that hold its state so far, which need not be that of an undisturbed run."""

PLAIN: Final = ("*.csv", "*.tsv", "*.txt", "*.fasta", "*.html", "*.md", "*.sif", "*.graphml", "*.bed", "*/card.json",
                "*/teacher_states/*.json", "*/esm2_mini/*.json", "*_finetuned/encoder/*.json")  # fmt: skip
"""Text without a checksum, where another letter passes for the true one."""

STATES: Final = {
    "feature_extraction": "04_feature/store/*.safetensors",
    "model_training": "*/last.ckpt",
    "hyperparameter_search": "*/journal.log",
    "encoder_pretraining": "*/last.ckpt",
    "finetuning": "*/last.ckpt",
    "latent_explanation": "*/last.ckpt",
    "interpretability": "*/scans/*.npz",
    "explanation": "*/scans/*.npz",
    "prediction": "*/part-*.npz",
    "screening": "*/screen.npz",
}
"""What a run that goes on reads: the file after whose creation it is interrupted to have its state damaged."""

OF_MODELS: Final = {"scans": "*/explanation/scans", "checkpoints": "*/checkpoints"}
"""Data sets of all models at once, whose folder also holds what other pipelines write: what of it is theirs."""

_MEMORY_FILE_SYSTEM: Final = 1 << 33
_PAGE: Final = 4096
_ROOM_FOR_A_LOG: Final = 1 << 16
_LONGEST: Final = 900.0
"""Seconds after which a run counts as one that hangs."""


class Ended(NamedTuple):
    """How a run ended: exit status, negative where a signal ended it; what it printed; seconds; address space."""

    status: int
    output: str
    seconds: float
    memory: int


class Undisturbed(NamedTuple):
    """A pipeline before and after a run that nothing disturbs.

    Attributes
    ----------
    before, after : Path
        Data folders, read only.
    read : list of str
        Files of `before` that the run read.
    seconds : float
        How long it took.
    grown : int
        Bytes that its address space grew by.
    """

    before: Path
    after: Path
    read: list[str]
    seconds: float
    grown: int


class Started:
    """A run in a process of its own, the leader of its group.

    Parameters
    ----------
    options : iterable of str
        Of `kedro run --env=test`.
    data : Path
        Its data folder; its output goes to a file beside that.
    alone : bool
        Whether it is started as a user starts it; else it is a copy of this process, with the imports behind it.
    limits : dict
        Limits of resources, by their number in the module `resource`; that of memory beyond what it has at its start.
    """

    def __init__(
        self, options: Iterable[str], data: Path, *, alone: bool = False, limits: dict[int, int] | None = None
    ) -> None:
        self._log = data.parent / "output.txt"
        self._begun, self.memory_at_start, self.memory = time.monotonic(), 0, 0
        self.pid = os.fork()
        if not self.pid:
            _become_run(list(options), data, self._log, limits or {}, alone=alone)
        self.memory_at_start = _address_space(self.pid)
        self._status: int | None = None

    def ended(self) -> bool:
        """Whether the run has ended by itself; measures its memory."""
        if self._status is None:
            self.memory = max(self.memory, _address_space(self.pid))
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self._status = os.waitstatus_to_exitcode(status)
                self._end_group()
        return self._status is not None

    def wait(self, seconds: float = _LONGEST) -> bool:
        """Whether the run ends within so many seconds."""
        until = time.monotonic() + seconds
        while not self.ended():
            if time.monotonic() > until:
                return False
            time.sleep(0.005)
        return True

    def send(self, kind: signal.Signals) -> None:
        """Send a signal to all of its processes."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, kind)

    def end(self) -> Ended:
        """How it ended."""
        if not self.wait():
            self.send(signal.SIGKILL)
            self.wait()
            self._status = 124
        assert self._status is not None
        seconds, grown = time.monotonic() - self._begun, self.memory - self.memory_at_start
        return Ended(self._status, self._log.read_text(errors="replace"), seconds, grown)

    def _end_group(self) -> None:
        self.send(signal.SIGKILL)


def _become_run(options: list[str], data: Path, log: Path, limits: dict[int, int], *, alone: bool) -> None:
    """Turn this child process into a run; never returns."""
    status = 1
    try:
        os.setsid()
        file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        os.dup2(file, 1)
        os.dup2(file, 2)
        sys.stdout, sys.stderr = os.fdopen(1, "w"), os.fdopen(2, "w")
        os.chdir(ROOT)
        os.environ |= {DATA_FOLDER: str(data), "COLUMNS": "200"}
        for kind, most in limits.items():
            allowed = most + (_address_space(os.getpid()) if kind == resource.RLIMIT_AS else 0)
            resource.setrlimit(kind, (allowed, allowed))
        arguments = ["--env=test", *options]
        if alone:
            os.execv(sys.executable, [sys.executable, "-m", "kedro", "run", *arguments])
        kedro_run.main(arguments, prog_name="kedro run")
    except SystemExit as ended:
        status = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except BaseException:
        traceback.print_exc()
    finally:
        with contextlib.suppress(BaseException):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(status)


def _address_space(pid: int) -> int:
    """Bytes of the virtual memory of a process; 0 where it has ended."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[0]) * _PAGE
    except (OSError, IndexError):
        return 0


def preload() -> None:
    """Import all that runs import, so that copies of this process need not."""
    bootstrap_project(ROOT)
    others = ("captum.attr", "lightning", "matplotlib.backends.backend_pdf", "networkx", "openpyxl", "optuna",
              "plotly.graph_objects", "pyarrow.parquet", "scipy.stats", "sklearn.ensemble", "transformers")  # fmt: skip
    modules = [found.name for found in pkgutil.walk_packages(esm2_amp.__path__, "esm2_amp.")]
    for name in [*others, *modules]:
        with contextlib.suppress(ImportError, InputError):
            importlib.import_module(name) if not name.endswith("__main__") else None
    dict(pipelines)


# --- files -----------------------------------------------------------------------------------------------------------


def files_of(folder: Path) -> dict[str, Path]:
    """The files of a folder by their place."""
    found = {}
    for place, _, names in os.walk(folder):
        found |= {os.path.relpath(f"{place}/{name}", folder): Path(place, name) for name in names}
    return found


def states_of(folder: Path) -> dict[str, tuple[int, int]]:
    """When each file was written, and its size."""
    found = {}
    for name, file in files_of(folder).items():
        with contextlib.suppress(FileNotFoundError):
            state = file.stat()
            found[name] = (state.st_mtime_ns, state.st_size)
    return found


def comparable(name: str, file: Path) -> str:
    """A hash of the bytes of a file, or of what `VARYING` leaves of it."""
    reading = next((of for pattern, of in VARYING.items() if fnmatch.fnmatch(name, pattern)), None)
    content = reading.of(file) if reading else file.read_bytes()
    return hashlib.sha256(content).hexdigest()


def differences(found: Path, expected: Path) -> list[str]:
    """Files that are missing, too many or other than expected, each with what is wrong."""
    here, there = files_of(found), files_of(expected)
    lines = [f"missing {name}" for name in there.keys() - here.keys()]
    lines += [f"left over {name}" for name in here.keys() - there.keys()]
    lines += [f"other {name}" for name in here.keys() & there.keys() if not _same(name, here[name], there[name])]
    return sorted(lines)


def _same(name: str, found: Path, expected: Path) -> bool:
    """Whether two files of a name have the same bytes, or agree in what of them is compared."""
    if found.read_bytes() == expected.read_bytes():
        return True
    try:
        return comparable(name, found) == comparable(name, expected)
    except Exception:  # a file cut short can't be read as what it should be
        return False


def half_written(data: Path, undisturbed: Undisturbed) -> list[str]:
    """Files under their final names that are neither those before nor those after a run, nor grow."""
    before, after = files_of(undisturbed.before), files_of(undisturbed.after)
    wrong = []
    for name, file in files_of(data).items():
        if _is_temporary(name) or any(fnmatch.fnmatch(name, pattern) for pattern in GROWING):
            continue
        known = [of[name] for of in (before, after) if name in of]
        if not any(_same(name, file, one) for one in known):
            wrong.append(f"half-written {name}" if known else f"unknown {name}")
    return sorted(wrong)


def _is_temporary(name: str) -> bool:
    return any(part.startswith(".") and part.endswith((".part", ".old", ".lock")) for part in Path(name).parts)


class Reading(NamedTuple):
    """What is compared of a file whose bytes differ from run to run, and why they do."""

    of: Callable[[Path], bytes]
    reason: str


def _nothing(_: Path) -> bytes:
    return b""


def _sheets(file: Path) -> bytes:
    with zipfile.ZipFile(file) as book:
        return b"".join(book.read(name) for name in sorted(book.namelist()) if not name.startswith("docProps"))


def _weights(file: Path) -> bytes:
    """The tensors and the record of a checkpoint."""
    stored = torch.load(file, map_location="cpu", weights_only=False)
    content = io.BytesIO()
    torch.save({name: stored["state_dict"][name].clone() for name in sorted(stored["state_dict"])}, content)
    return content.getvalue() + str(stored["epoch"]).encode()


def _tensors(file: Path) -> bytes:
    """The tensors of a safetensors file, and its header with its names in order."""
    found = file.read_bytes()
    start = 8 + int.from_bytes(found[:8], "little")
    return json.dumps(json.loads(found[8:start]), sort_keys=True).encode() + found[start:]


def _undated(file: Path) -> bytes:
    return re.sub(rb'(<p class="maker">[^<]*), [^<,]*, \d\d:\d\d', rb"\1", file.read_bytes())


def _trials(file: Path) -> bytes:
    """A table of trials or of their epochs, the trials numbered anew."""
    table = pd.read_csv(file).drop(columns="Seconds", errors="ignore")
    table["Trial"] = table["Trial"].rank(method="dense")
    return table.to_csv().encode()


def _trials_of_workbook(file: Path) -> bytes:
    tables = pd.read_excel(file, sheet_name=None)
    kept = [table.drop(columns=["Trial", "Seconds"], errors="ignore").to_csv() for table in tables.values()]
    return "".join(kept).encode()


def _best(file: Path) -> bytes:
    return json.dumps({**json.loads(file.read_text()), "trial": None, "crc32": None}).encode()


def _complete_trials(file: Path) -> bytes:
    """The values of the complete trials of the studies in a journal."""
    storage = JournalStorage(JournalFileBackend(str(file)))
    studies = [optuna.load_study(study_name=name, storage=storage) for name in optuna.get_all_study_names(storage)]
    return repr(
        [(trial.params, trial.value) for study in studies for trial in study.get_trials() if trial.value]
    ).encode()


def _features(file: Path) -> bytes:
    return str(pd.read_hdf(file).to_csv()).encode()


def _is_json(file: Path) -> bytes:
    return b"" if json.loads(file.read_text()) else b"empty"


_NUMBERS: Final = "Optuna numbers trials for good, those that were lost among them, and notes when each began and ended"

VARYING: Final[dict[str, Reading]] = {
    ".run.json": Reading(_nothing, "the run's process and time of day"),
    "*/report.html": Reading(_undated, "the time it was made"),
    "*/search/trials.csv": Reading(_trials, _NUMBERS),
    "*/search/epochs.csv": Reading(_trials, _NUMBERS),
    "*/search/trials.xlsx": Reading(_trials_of_workbook, _NUMBERS),
    "*/ae_rf_best_parameters.xlsx": Reading(_trials_of_workbook, _NUMBERS),
    "*/forest_trials.xlsx": Reading(_trials_of_workbook, _NUMBERS),
    "*/search/*.json": Reading(_is_json, _NUMBERS),
    "*/best_parameters.json": Reading(_best, _NUMBERS),
    "*/journal.log": Reading(_complete_trials, _NUMBERS),
    "*.h5": Reading(_features, "HDF5 notes when each of its parts was made"),
    "*.xlsx": Reading(_sheets, "Excel files carry the time they were made"),
    "*.ckpt": Reading(_weights, "Lightning counts what a fit that was resumed has done since, and dates callbacks"),
    "*.safetensors": Reading(_tensors, "the header names tensors in an order of its own"),
}


# --- undisturbed runs ------------------------------------------------------------------------------------------------


class Campaign:
    """Undisturbed runs, and rounds of faults that are compared with them.

    Parameters
    ----------
    folder : Path
        Where all is written.
    finished : Path
        Data folder of a finished default run.
    alone : bool
        As of `Started`.
    """

    def __init__(self, folder: Path, finished: Path, *, alone: bool = False) -> None:
        self._folder, self._finished, self._alone = folder, finished, alone
        self._data = folder / "data"
        self._known: dict[str, Undisturbed] = {}
        folder.mkdir(parents=True, exist_ok=True)

    def undisturbed(self, pipeline: str, *, interrupted: bool = False) -> Undisturbed:
        """A pipeline's run from the finished folder without what the pipeline writes, or from an interrupted run."""
        name = f"{pipeline} interrupted" if interrupted else pipeline
        if name not in self._known:
            about, before, after = (self._folder / name / part for part in ("about.json", "before", "after"))
            if not about.exists():
                shutil.rmtree(self._folder / name, ignore_errors=True)
                self._lay_out(pipeline, interrupted=interrupted)
                shutil.copytree(self._data, before)
                ended, read = self._run_noting_reads(pipeline)
                assert ended.status == 0, f"{name} fails undisturbed: {ended.output}"
                shutil.copytree(self._data, after)
                about.write_text(json.dumps([read, ended.seconds, ended.memory]))
            self._known[name] = Undisturbed(before, after, *json.loads(about.read_text()))
        return self._known[name]

    def _lay_out(self, pipeline: str, *, interrupted: bool) -> None:
        """Fill the data folder with what there is before a run."""
        if interrupted:
            self._restore(self.undisturbed(pipeline).before)
            moment = partial_match(STATES[pipeline])
            run = self._start(pipeline)
            while not run.ended() and not moment(self._data):
                time.sleep(0.002)
            run.send(signal.SIGKILL)
            run.end()
            return
        self._restore(self._finished)
        pretraining = self._data / "01_raw/pretraining"
        pretraining.mkdir(exist_ok=True)
        shutil.copy(self._data / "01_raw/planted/proteins.fasta", pretraining)
        for path in written_by(pipeline, self._data):
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)

    def _run_noting_reads(self, pipeline: str) -> tuple[Ended, list[str]]:
        """Run a pipeline; gives the files that it read, too."""
        files = files_of(self._data)
        for file in files.values():
            os.utime(file, ns=(0, file.stat().st_mtime_ns))
        ended = self._start(pipeline).end()
        read = [name for name, file in files.items() if file.exists() and file.stat().st_atime_ns > 0]
        return ended, sorted(read)

    def _restore(self, source: Path) -> None:
        if self._data.is_mount():
            subprocess.run(["umount", self._data], check=True)
        shutil.rmtree(self._data, ignore_errors=True)
        shutil.copytree(source, self._data)

    def _start(self, pipeline: str, limits: dict[int, int] | None = None) -> Started:
        return Started([f"--pipelines={pipeline}"], self._data, alone=self._alone, limits=limits)

    # --- rounds ------------------------------------------------------------------------------------------------------

    def play(self, pipeline: str, fault: Fault, draw: random.Random) -> "Round":
        """Play one round."""
        if fault in DAMAGES:
            return self._play_damage(pipeline, fault, draw)
        undisturbed = self.undisturbed(pipeline)
        self._restore(undisturbed.before)
        try:
            moment, ended = self._disturb(pipeline, fault, undisturbed, draw)
            wrong = half_written(self._data, undisturbed)
            if not ended.status and differences(self._data, undisturbed.after):
                wrong.append("ends with 0, as if all were done")
            if fault == "disk full" and "Traceback" in ended.output:
                wrong.append(f"a traceback in place of a message: {ended.output[-1500:]}")
            again = self._start(pipeline).end()
            if again.status:
                wrong.append(f"the run after it ends with {again.status}: {again.output[-3000:]}")
            else:
                wrong += differences(self._data, undisturbed.after)
        finally:
            if self._data.is_mount():
                subprocess.run(["umount", self._data], check=True)
        return Round(pipeline, fault, f"{moment}; ended with {ended.status}", ended.status != 0, wrong)

    def _disturb(self, pipeline: str, fault: Fault, undisturbed: Undisturbed, draw: random.Random) -> tuple[str, Ended]:
        """Let a fault hit a run; gives the moment in words, and how the run ended."""
        if fault == "memory short":
            most = int(undisturbed.grown * draw.uniform(0.02, 1))
            return f"{most:,} bytes of memory more", self._start(pipeline, {resource.RLIMIT_AS: most}).end()
        if fault == "disk full":
            return self._fill_disk(pipeline, undisturbed, draw.random())
        kind = signal.SIGKILL if fault == "killed" else signal.SIGTERM
        if draw.random() < 0.5:
            after = undisturbed.seconds * draw.random()
            run = self._start(pipeline)
            run.wait(after)
            moment = f"after {after:.2f} of {undisturbed.seconds:.2f} s"
        else:
            written = changed(states_of(undisturbed.before), states_of(undisturbed.after))
            number, pause = draw.randint(1, max(1, len(written))), draw.choice((0, 0, 0.01 * draw.random()))
            before = states_of(self._data)
            run = self._start(pipeline)
            while not run.ended() and len(changed(before, states_of(self._data))) < number:
                time.sleep(0.001)
            time.sleep(pause)
            moment = f"{1000 * pause:.1f} ms after file {number} of {len(written)}"
        run.send(kind)
        return moment, run.end()

    def _fill_disk(self, pipeline: str, undisturbed: Undisturbed, share: float) -> tuple[str, Ended]:
        """Run on a disk with room for a share of what the undisturbed run writes."""
        before, after = pages_of(undisturbed.before), pages_of(undisturbed.after)
        room = int((before + (after - before) * share) // _PAGE * _PAGE)
        if not mount_memory(self._data, undisturbed.before, room):
            largest = max(file.stat().st_size for file in files_of(undisturbed.after).values())
            most = max(_ROOM_FOR_A_LOG, int(largest**share))
            return f"files of at most {most:,} bytes", self._start(pipeline, {resource.RLIMIT_FSIZE: most}).end()
        ended = self._start(pipeline).end()
        subprocess.run(["mount", "-o", f"remount,size={_MEMORY_FILE_SYSTEM}", self._data], check=True)
        return f"room for {100 * share:.1f} % of what is written", ended

    def _play_damage(self, pipeline: str, fault: Fault, draw: random.Random) -> "Round":
        undisturbed = self.undisturbed(pipeline, interrupted=pipeline in STATES and draw.random() < 0.5)
        return self.damage(pipeline, fault, undisturbed, draw.choice(damageable(undisturbed.read)), draw)

    def damage(self, pipeline: str, fault: Fault, undisturbed: Undisturbed, name: str, draw: random.Random) -> "Round":
        """Damage one file, and run."""
        self._restore(undisturbed.before)
        file = self._data / name
        content = file.read_bytes()
        is_plain = any(fnmatch.fnmatch(name, pattern) for pattern in PLAIN)
        found = damaged(content, fault, draw, is_plain=is_plain)
        if found == content:
            return Round(pipeline, fault, f"{name} is empty", False, [])
        file.write_bytes(found)
        ended = self._start(pipeline).end()
        at = next((n for n, byte in enumerate(found) if byte != content[n]), len(found))
        wrong, moment = [], f"{name} from byte {at:,} of {len(content):,}; ended with {ended.status}"
        if ended.status:
            words = "".join(ended.output.split())
            if file.name not in words and file.parent.name not in words:
                wrong.append(f"doesn't name the file: {ended.output[-2000:]}")
            if "Traceback" in ended.output:
                wrong.append(f"a traceback in place of a message: {ended.output[-2000:]}")
        else:
            wrong = [line for line in differences(self._data, undisturbed.after) if line != f"other {name}"]
            if f"other {name}" in differences(self._data, undisturbed.after):
                moment += ", which nothing came of"
        return Round(pipeline, fault, moment, ended.status == 0, wrong)


class Round(NamedTuple):
    """A fault, what it did, and what was wrong in the end.

    Attributes
    ----------
    pipeline, fault, moment : str
        What was done.
    hit : bool
        Of a fault: whether it ended the run before its end. Of damage: whether the run made up for it.
    wrong : list of str
        Nothing where all was well.
    """

    pipeline: str
    fault: Fault
    moment: str
    hit: bool
    wrong: list[str]


def partial_match(pattern: str) -> Callable[[Path], bool]:
    """Whether a folder holds a file of a pattern."""
    return lambda data: any(fnmatch.fnmatch(name, pattern) for name in states_of(data))


def written_by(pipeline: str, data: Path) -> Iterator[Path]:
    """The files and folders that a pipeline writes, those of its state among them."""
    _, catalog = context_of("test", data)
    made = pipelines[pipeline].all_outputs()
    for name in pipelines[pipeline].datasets():
        dataset = catalog.get(name)
        path = dataset_path(dataset)
        if path is None or (name not in made and not isinstance(dataset, FolderDataset)):
            continue
        if isinstance(dataset, ExplanationsDataset) and pipeline == "latent_explanation":
            continue  # shares its folders with other methods
        if name in OF_MODELS:
            yield from path.glob(OF_MODELS[name])
            continue
        yield path
        yield path.with_suffix(".pdf")
        if isinstance(dataset, FeatureStoreDataset) and pipeline == "feature_extraction":
            yield data / "04_feature/store"


def changed(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """Names that are new or have changed."""
    return [name for name, state in after.items() if before.get(name) != state]


def pages_of(folder: Path) -> int:
    """Bytes of the pages that the files and folders of a folder fill."""
    return sum(-(-size // _PAGE) * _PAGE for _, size in states_of(folder).values())


@cache
def say_once(words: str) -> None:
    """Print words, the first time."""
    print(words, flush=True)  # noqa: T201


def mount_memory(data: Path, source: Path, room: int) -> bool:
    """Mount a file system of a size in place of a data folder, and fill it; whether that is possible here."""
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={max(room, _PAGE)}", "tmpfs", data],
                          capture_output=True, check=False)  # fmt: skip
    if done.returncode:
        say_once(f"No file system can be mounted here ({done.stderr!r}): the size of files is limited instead")
        return False
    shutil.copytree(source, data, dirs_exist_ok=True)
    return True


def damageable(read: Iterable[str]) -> list[str]:
    """Files that runs write for others to read; those of users in 01_raw have tests of their own."""
    written = (name for name in read if not name.startswith("01_raw"))
    return [name for name in written if Path(name).name not in (".run.json", ".run.lock")]


def damaged(content: bytes, fault: Fault, draw: random.Random, *, is_plain: bool = False) -> bytes:
    """The bytes of a file, damaged; a flip in plain text leaves no UTF-8."""
    if fault == "flipped":
        at, bit = draw.randrange(len(content) or 1), 7 if is_plain and content.isascii() else draw.randrange(8)
        return content[:at] + bytes(byte ^ (1 << bit) for byte in content[at : at + 1]) + content[at + 1 :]
    kept = {"cut to nothing": 0, "cut to half": len(content) // 2, "cut by a byte": max(0, len(content) - 1)}
    return content[: kept[fault]]


# --- the command -----------------------------------------------------------------------------------------------------


def table_of(rounds: Iterable[Round]) -> str:
    """Pipeline by fault: rounds, those that hit, failures."""
    rounds = list(rounds)
    lines = [f"{'pipeline':24}{'fault':16}{'runs':>6}{'hit':>6}{'failed':>8}"]
    count = Counter((one.pipeline, one.fault) for one in rounds)
    hit = Counter((one.pipeline, one.fault) for one in rounds if one.hit)
    failed = Counter((one.pipeline, one.fault) for one in rounds if one.wrong)
    lines += [f"{key[0]:24}{key[1]:16}{count[key]:6}{hit[key]:6}{failed[key]:8}" for key in sorted(count)]
    total = f"{'all':40}{len(rounds):6}{sum(hit.values()):6}{sum(failed.values()):8}"
    return "\n".join([*lines, total])


def main() -> None:
    """Play rounds, each pipeline in turn, and print what came of them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="where all is written; undisturbed runs there are used again")
    parser.add_argument("--runs", type=int, default=100, help="rounds over all pipelines")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=float("inf"), help="begin no round after so long")
    parser.add_argument("--pipelines", nargs="+", default=PIPELINES, choices=PIPELINES)
    parser.add_argument("--faults", nargs="+", default=FAULTS, choices=FAULTS)
    parser.add_argument("--alone", action="store_true", help="start each run as a user does, imports and all")
    options = parser.parse_args()
    preload()
    finished = options.folder / "finished"
    options.folder.mkdir(parents=True, exist_ok=True)
    for name in ("planted_data", "__default__", "hyperparameter_search") if not finished.exists() else ():
        ended = Started([f"--pipelines={name}"], finished).end()
        assert ended.status == 0, ended.output
    campaign, begun, rounds = Campaign(options.folder, finished, alone=options.alone), time.monotonic(), list[Round]()
    for number in range(options.runs):
        if time.monotonic() - begun > options.seconds:
            break
        draw = random.Random(f"{options.seed} {number}")
        fault, pipeline = draw.choice(options.faults), options.pipelines[number % len(options.pipelines)]
        one = campaign.play(pipeline, fault, draw)
        rounds.append(one)
        print(f"{number}: {pipeline}, {fault}, {one.moment}: {'; '.join(one.wrong) or 'well'}", flush=True)  # noqa: T201
    print(f"Seed {options.seed}\n{table_of(rounds)}")  # noqa: T201
    sys.exit(any(one.wrong for one in rounds))


if __name__ == "__main__":
    main()
