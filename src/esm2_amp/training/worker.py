"""One of the processes that fit a network together: `python -m esm2_amp.training.worker JOB DEVICES NODES`.

Started by `esm2_amp.training.together`. It says what it has to say as lines of JSON.
"""

import json
import logging
import os
import sys
from pathlib import Path
from threading import Thread
from typing import Any

from typing_extensions import override

from esm2_amp.errors import InputError
from esm2_amp.training.fit import fit_job
from esm2_amp.training.jobs import FitJob
from esm2_amp.training.processes import Processes, own_place
from esm2_amp.training.together import FITTED


def main(job_file: str, devices: str, nodes: str) -> int:
    """Fit the network of a job with the others, and return the exit status; the first process writes the result."""
    Thread(target=_end_with_the_run, daemon=True).start()
    processes = Processes(int(devices), int(nodes))
    os.environ.update(place := own_place(os.environ, processes))
    rank = int(place["NODE_RANK"]) * processes.devices + int(place["LOCAL_RANK"])
    if rank == 0:
        logging.getLogger("esm2_amp").addHandler(_Lines())
        logging.getLogger("esm2_amp").setLevel(logging.INFO)
    job = FitJob.read(Path(job_file))
    try:
        fit = fit_job(job, processes, rank)
    except InputError as error:
        _say(error=type(error).__name__, message=str(error))
        return 1
    if rank == 0:
        fit.write(job.folder / FITTED)
    return 0


class _Lines(logging.Handler):
    """Log records as lines of JSON."""

    @override
    def emit(self, record: logging.LogRecord) -> None:
        _say(logger=record.name, level=record.levelno, message=record.getMessage())


def _say(**values: Any) -> None:
    sys.stdout.write(f"{json.dumps(values)}\n")
    sys.stdout.flush()


def _end_with_the_run() -> None:
    """End where the process that started this one has ended, however that came."""
    while os.read(sys.stdin.fileno(), 1):  # not sys.stdin, whose lock would outlast the interpreter
        pass
    os._exit(1)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
