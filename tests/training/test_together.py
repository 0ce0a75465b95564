"""Several processes that fit one network: the same steps as one makes, resumed, and ended with the run."""

import json
import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
import pytest
import torch

from esm2_amp.errors import DivergedError, InputError
from esm2_amp.pairs import Pairs
from esm2_amp.parameters.model_training import ModelParameters
from esm2_amp.parameters.run import RunParameters
from esm2_amp.training.fit import Fit, fit_network
from esm2_amp.training.jobs import FitJob
from esm2_amp.training.processes import Processes, own_place
from esm2_amp.training.together import FITTED, JOB, LOG, worker_commands

TWO = Processes(2)
NETWORK = {"architecture": "ESM2_AMPS", "h1": 8, "h2": 4, "layers": 1, "heads": 2, "feed_forward": 16, "dropout": 0.0}


def settings_of(**training) -> ModelParameters:
    given = {
        "learning_rate": 3e-3, "weight_decay": 1e-2, "batch_size": 16, "micro_batch_size": 4, "epochs": 3,
        "pair_order": "random", "gradient_clip": 0.5, "plateau": {"factor": 0.5, "patience": 0},
    }  # fmt: skip
    return ModelParameters(network=NETWORK, training=given | training)


def splits():
    """Pairs whose numbers no batch and no two processes divide, of a learnable label."""
    rng = np.random.default_rng(0)
    strength = rng.normal(size=40)
    table = 0.1 * rng.normal(size=(40, 10, 8))
    table[:, :, 0] += strength[:, None]
    table = torch.tensor(table, dtype=torch.float32)
    for count in (145, 49):  # the last step of training has one pair, and so no pair for the second process
        a, b = rng.integers(40, size=(2, count))
        yield Pairs(table, torch.tensor(a), torch.tensor(b), torch.tensor(strength[a] + strength[b] > 0).float())


def fit(folder: Path, processes: Processes, **training) -> Fit:
    return fit_network(*splits(), settings_of(**training), folder=folder, device="cpu", seed=1, processes=processes)


@pytest.fixture(scope="module")
def by_two(tmp_path_factory):
    folder = tmp_path_factory.mktemp("two")
    return fit(folder, TWO), folder


def assert_same(fit_a: Fit, fit_b: Fit) -> None:
    pd.testing.assert_frame_equal(fit_a.record, fit_b.record, check_exact=True)
    weights = zip(fit_a.network.state_dict().values(), fit_b.network.state_dict().values(), strict=True)
    assert all(torch.equal(a, b) for a, b in weights)


def assert_same_but_for_rounding(fit_a: Fit, fit_b: Fit) -> None:
    pd.testing.assert_frame_equal(fit_a.record, fit_b.record, rtol=1e-5)
    weights_a, weights_b = fit_a.network.state_dict(), fit_b.network.state_dict()
    for name, weight in weights_a.items():
        keep = torch.ones_like(weight, dtype=torch.bool)
        if name.endswith("in_proj_bias"):
            # the bias of keys changes no attention: its gradient is rounding alone, of which the optimiser makes steps
            keep.chunk(3)[1].zero_()
        torch.testing.assert_close(weight[keep], weights_b[name][keep], rtol=1e-5, atol=1e-6)


def test_two_processes_fit_what_one_fits(by_two, tmp_path):
    assert_same_but_for_rounding(by_two[0], fit(tmp_path, Processes()))


def test_the_first_process_alone_leaves_files(by_two):
    _, folder = by_two
    assert json.loads((folder / "fit.json").read_text())["finished"]
    assert (folder / "last.ckpt").exists()
    assert not [name for name in (JOB, FITTED, LOG) if (folder / name).exists()]


def of_command(folder: Path) -> subprocess.Popen[bytes]:
    """The fit by two processes, as a command that can be killed."""
    code = (
        f"import sys; sys.path[:0] = {[str(Path(__file__).parent), 'src']!r}; from pathlib import Path; "
        f"from test_together import TWO, fit; fit(Path({str(folder)!r}), TWO)"
    )
    return subprocess.Popen([sys.executable, "-c", code], cwd=Path(__file__).parents[2])


def test_a_fit_killed_with_its_run_leaves_no_process_and_goes_on(by_two, tmp_path):
    command = of_command(tmp_path)
    workers: list[psutil.Process] = []
    while command.poll() is None and not (tmp_path / "last.ckpt").exists():
        time.sleep(0.02)
        workers = workers or psutil.Process(command.pid).children()
    command.send_signal(signal.SIGKILL)
    command.wait()
    assert workers
    psutil.wait_procs(workers, timeout=30)
    assert not [worker for worker in workers if worker.is_running() and worker.status() != psutil.STATUS_ZOMBIE]
    assert_same(fit(tmp_path, TWO), by_two[0])


def test_what_a_process_raises_the_run_raises(tmp_path):
    with pytest.raises(DivergedError, match="ESM2_AMPS diverged: its training loss must be a finite number"):
        fit(tmp_path, TWO, learning_rate=1e30, gradient_clip=None)


def test_a_process_that_ends_otherwise_is_reported_with_what_it_wrote(tmp_path, monkeypatch):
    monkeypatch.setattr(FitJob, "write", lambda _, file: file.write_bytes(b"no job"))
    with pytest.raises(RuntimeError, match=r"(?s)A process of the fit ended with 1; what it wrote last.*Error"):
        fit(tmp_path, TWO)


SRUN = """#!{python}
import os, subprocess, sys
options = dict(argument[2:].split("=") for argument in sys.argv[1:] if argument.startswith("--") and "=" in argument)
start = sys.argv.index(os.environ["OWN_PYTHON"])
tasks = int(options["ntasks-per-node"])
started = [
    subprocess.Popen(sys.argv[start:], env=os.environ | {{"SLURM_NODEID": str(node), "SLURM_LOCALID": str(task)}})
    for node in range(int(options["nodes"])) for task in range(tasks)
]
sys.exit(max(process.wait() for process in started))
"""


def test_srun_starts_the_processes_of_two_machines(by_two, tmp_path, monkeypatch):
    srun = tmp_path / "bin/srun"
    srun.parent.mkdir()
    srun.write_text(SRUN.format(python=sys.executable))
    srun.chmod(srun.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", str(srun.parent), prepend=os.pathsep)
    monkeypatch.setenv("OWN_PYTHON", sys.executable)
    monkeypatch.setattr("socket.gethostname", lambda: "localhost")
    assert_same_but_for_rounding(fit(tmp_path / "fit", Processes(1, 2)), by_two[0])


def test_the_command_for_several_machines():
    assert worker_commands(Processes(4, 2), Path("job.pt")) == [
        ["srun", "--nodes=2", "--ntasks-per-node=4", "--distribution=block", "--kill-on-bad-exit=1", "--unbuffered",
         sys.executable, "-W", "ignore", "-m", "esm2_amp.training.worker", "job.pt", "4", "2"]
    ]  # fmt: skip


def test_a_process_knows_its_place_by_slurm_or_by_the_run():
    assert own_place({"SLURM_NODEID": "1", "SLURM_LOCALID": "3"}, Processes(4, 2)) == {
        "NODE_RANK": "1", "LOCAL_RANK": "3", "WORLD_SIZE": "8",
    }  # fmt: skip
    inside_a_job = {"SLURM_NODEID": "0", "SLURM_LOCALID": "0", "NODE_RANK": "0", "LOCAL_RANK": "1"}
    assert own_place(inside_a_job, TWO)["LOCAL_RANK"] == "1"


def run_of(**given):
    return RunParameters(**{"device": "cpu", "seed": 1, "data_name": "", "scoring_batch_size": 8} | given)


def test_auto_is_all_gpus_and_else_one_process(monkeypatch):
    assert Processes.of(run_of(devices="auto")) == Processes(1, 1)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 3)
    assert Processes.of(run_of(device="cuda", devices="auto")) == Processes(3, 1)


def test_devices_and_machines_that_are_not_there_are_refused(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 3)
    with pytest.raises(InputError, match=r"run\.devices must be at most 3, as many as .* of cuda, got 4"):
        Processes.of(run_of(device="cuda", devices=4))
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    with pytest.raises(InputError, match=r"run\.num_nodes=2 needs a job of SLURM"):
        Processes.of(run_of(num_nodes=2))
