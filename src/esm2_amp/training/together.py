"""Fitting one network by several processes, by Lightning's distributed data parallel (DDP).

Lightning's own launcher starts the whole command again for each device. Of a `kedro run` that would be every step of
the pipeline, in every process, with all of them writing the same files. Here only the fit is done by further processes:
the run stays one process, which writes the job to a file, starts `python -m esm2_amp.training.worker` for each device,
hands on what they log, and reads the fitted network that the first of them writes. So it works alike in a run, a script
and a notebook, whatever the step before has loaded, and nothing but the fit is done twice.

On several machines, `kedro run` is the one task of a batch script of SLURM, and srun starts the processes on all nodes
of its job. The folder of the checkpoints must be on a disk that they share.
"""

import json
import logging
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from typing import Any, Final

from esm2_amp import errors
from esm2_amp.threads import allowed_threads
from esm2_amp.training.jobs import Fit, FitJob
from esm2_amp.training.processes import Processes

logger = logging.getLogger(__name__)

JOB, FITTED, LOG = "job.pt", "fitted.pt", "processes.log"
"""Files in the folder of the checkpoints: what the processes are given, what they give, and what else they say."""

_TIME_TO_END: Final = 10.0
"""Seconds until a process that was asked to end is killed."""

_SHOWN_LINES: Final = 20


def fit_together(job: FitJob, processes: Processes) -> Fit:
    """Fit a network by several processes.

    Parameters
    ----------
    job : FitJob
        What is fitted.
    processes : Processes
        How many do so.

    Raises
    ------
    InputError
        As one of them raises it.
    RuntimeError
        One of them ended otherwise; the message has the last lines that it wrote.
    """
    file = job.folder / JOB
    job.write(file)
    logger.info("%s: fitted by %d processes together", job.settings.network.architecture, processes.total)
    with (
        (job.folder / LOG).open("wb") as log,
        _started(worker_commands(processes, file), job, processes, log) as workers,
    ):
        _hand_on(workers, job.folder / LOG)
    fit = Fit.read(job.folder / FITTED, job)
    for name in (JOB, FITTED, LOG):
        (job.folder / name).unlink()
    return fit


def worker_commands(processes: Processes, job: Path) -> list[list[str]]:
    """The commands that start all processes: one for each device of this machine, or one that starts those of all.

    Parameters
    ----------
    processes : Processes
        How many there are to be.
    job : Path
        File of the job.
    """
    module = ["-W", "ignore", "-m", "esm2_amp.training.worker"]
    worker = [sys.executable, *module, str(job), str(processes.devices), str(processes.nodes)]
    if processes.nodes == 1:
        return [worker] * processes.devices
    tasks = [f"--nodes={processes.nodes}", f"--ntasks-per-node={processes.devices}", "--distribution=block"]
    return [["srun", *tasks, "--kill-on-bad-exit=1", "--unbuffered", *worker]]


@contextmanager
def _started(
    commands: list[list[str]], job: FitJob, processes: Processes, log: Any
) -> Iterator[list[subprocess.Popen[bytes]]]:
    """The processes; those that run still when the context is left are ended."""
    workers: list[subprocess.Popen[bytes]] = []
    shared = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), **_meeting_point(processes)}
    shared["OMP_NUM_THREADS"] = str(max(1, allowed_threads() // processes.devices))
    try:
        for number, command in enumerate(commands):
            own = {"NODE_RANK": "0", "LOCAL_RANK": str(number)} if processes.nodes == 1 else {}
            pipe = subprocess.PIPE  # its end tells a worker that this process has ended
            workers.append(subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=log, env=shared | own))
        yield workers
    finally:
        for worker in workers:
            worker.terminate()
        for worker in workers:
            try:
                worker.wait(_TIME_TO_END)
            except subprocess.TimeoutExpired:
                worker.kill()


def _meeting_point(processes: Processes) -> dict[str, str]:
    """Where the processes meet: a free port of this machine, by a name that the other machines know."""
    with socket.socket() as free:
        free.bind(("", 0))
        port = free.getsockname()[1]
    host = "127.0.0.1" if processes.nodes == 1 else socket.gethostname()
    return {"MASTER_ADDR": host, "MASTER_PORT": str(port)}


def _hand_on(workers: list[subprocess.Popen[bytes]], log: Path) -> None:
    """Log what the processes log, raise what they raise, until all have ended."""
    lines: SimpleQueue[tuple[subprocess.Popen[bytes], bytes]] = SimpleQueue()
    for worker in workers:
        Thread(target=_read, args=(worker, lines), daemon=True).start()
    running = len(workers)
    while running:
        worker, line = lines.get()
        if line:
            _say_or_raise(line)
        elif worker.wait():
            last = "\n".join(log.read_text(errors="replace").splitlines()[-_SHOWN_LINES:])
            raise RuntimeError(f"A process of the fit ended with {worker.returncode}; what it wrote last:\n{last}")
        else:
            running -= 1


def _read(worker: subprocess.Popen[bytes], lines: "SimpleQueue[tuple[subprocess.Popen[bytes], bytes]]") -> None:
    """Put each line of a process into a queue, and an empty one at its end."""
    assert worker.stdout is not None
    for line in worker.stdout:
        lines.put((worker, line))
    lines.put((worker, b""))


def _say_or_raise(line: bytes) -> None:
    try:
        said = json.loads(line)
    except ValueError:  # of a library
        return
    if "error" in said:
        raise getattr(errors, said["error"])(said["message"])
    logging.getLogger(said["logger"]).log(said["level"], "%s", said["message"])
