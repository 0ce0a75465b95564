"""The runner of `kedro run`: steps of several models run side by side on a CPU, each in a process of its own.

A small network doesn't gain from further threads what it gains from a processor of its own: with two processors, two
models are trained side by side in less time than one after the other by both.
"""

import logging
import multiprocessing
import os
import pickle
import signal
import sys
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from multiprocessing.connection import Connection, wait
from threading import Thread
from typing import Any, Final, NamedTuple, cast

from kedro.io import CatalogProtocol, MemoryDataset
from kedro.pipeline import Pipeline
from kedro.pipeline.node import Node
from kedro.runner import SequentialRunner
from kedro.runner.task import Task
from pluggy import PluginManager

from esm2_amp.app.mistakes import message_for_user
from esm2_amp.app.step_names import short_name
from esm2_amp.errors import InputError
from esm2_amp.moving_line import MovingText, Relay, write_relayed
from esm2_amp.parameters.model_training import ARCHITECTURES
from esm2_amp.parameters.run import RunParameters
from esm2_amp.progress import log_as_one_of
from esm2_amp.threads import limit_threads

logger = logging.getLogger(__name__)

Catalog = CatalogProtocol[Any, Any]

MOST_WORKERS: Final = 4
"""Processes at most, unless a run says otherwise: each holds the libraries and a model's data."""

MEMORY_OF_WORKER: Final = 2 * 2**30
"""Bytes of the machine's memory for each process."""


class SideBySideRunner(SequentialRunner):
    """Runs a pipeline as Kedro's SequentialRunner does, and steps of several models side by side.

    That is done on Linux where several models are computed on the CPU of one machine, one process for each, and
    without MLflow's record. The threads of a step depend on the pipeline and the machine alone, not on which steps
    happen to run beside it, so that a run gives the same numbers each time.

    Parameters
    ----------
    max_workers : int, optional
        Steps at once; 1 runs one after the other. By default as many as PyTorch has threads, at most 4, and no more
        than the machine has memory for.
    is_async : bool
        Whether inputs are loaded, and outputs saved, by several threads.
    """

    def __init__(self, max_workers: int | None = None, is_async: bool = False) -> None:
        super().__init__(is_async=is_async)
        self._max_workers = None if max_workers is None else self._validate_max_workers(max_workers)

    @property
    def _logger(self) -> logging.Logger:
        return logging.getLogger(SequentialRunner.__module__)  # by which the log is configured

    def _run(
        self,
        pipeline: Pipeline,
        catalog: Catalog,
        hook_manager: PluginManager | None = None,
        run_id: str | None = None,
    ) -> None:
        n_workers = self._workers_for(pipeline, catalog)
        if n_workers == 1:
            super()._run(pipeline, catalog, hook_manager, run_id)
            return
        logger.info("Steps of different models run side by side, %d at once", n_workers)
        assert hook_manager is not None  # `run` gives one without hooks where a caller gives none
        job = _Job(pipeline, catalog, hook_manager, self._is_async, run_id)
        with _workers(job, n_workers) as workers:
            _run_steps(job, workers)

    def _workers_for(self, pipeline: Pipeline, catalog: Catalog) -> int:
        """How many processes run the steps of a pipeline."""
        models = {model for node in pipeline.nodes if (model := _model_of(node))}
        if self._max_workers == 1 or len(models) < 2 or not sys.platform.startswith("linux"):  # noqa: PLR2004
            return 1
        run: RunParameters = catalog.load("params:run")
        if run.devices != 1 or run.num_nodes > 1 or run.cluster or catalog.load("parameters")["tracking"]["enabled"]:
            return 1
        from esm2_amp.devices import resolve_device  # imports torch

        if resolve_device(run.device).type != "cpu":
            return 1
        return min(self._max_workers or _workers_of_machine(), len(models))


class _Job(NamedTuple):
    """A pipeline to run, and what each of its steps needs."""

    pipeline: Pipeline
    catalog: Catalog
    hooks: PluginManager
    is_async: bool
    run_id: str | None

    def kept_in_memory(self) -> set[str]:
        """Outputs that no file holds."""
        return {name for name in self.pipeline.all_outputs() if isinstance(self.catalog[name], MemoryDataset)}


class _Worker(NamedTuple):
    """A process that runs one step at a time."""

    number: int
    process: multiprocessing.process.BaseProcess
    connection: Connection


class _Result(NamedTuple):
    """What a step returned for memory, or the exception that it raised, pickled."""

    data: bytes


def _model_of(node: Node) -> str | None:
    """The model that a step belongs to, by its namespace."""
    return next((part for part in (node.namespace or "").split(".") if part in ARCHITECTURES), None)


def _workers_of_machine() -> int:
    import torch

    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return max(1, min(torch.get_num_threads(), MOST_WORKERS, memory // MEMORY_OF_WORKER))


@contextmanager
def _workers(job: _Job, n_workers: int) -> Iterator[list[_Worker]]:
    """Processes that know the job; they end with the context, whatever they are doing."""
    # Forked: they share what is imported, and the catalog. This process never computes, so that it has no threads
    # that a fork would lose.
    processes = multiprocessing.get_context("fork")
    workers = []
    try:
        for number in range(n_workers):
            here, there = processes.Pipe()
            process = processes.Process(target=_work, args=(job, there, n_workers))
            process.start()
            there.close()
            workers.append(_Worker(number, process, here))
        yield workers
    finally:
        for worker in workers:
            worker.process.kill()
        for worker in workers:
            worker.process.join()
            worker.connection.close()


def _run_steps(job: _Job, workers: list[_Worker]) -> None:
    """Let the workers run all steps, of those that can run the one first that most others wait for.

    Raises
    ------
    Exception
        What a step raised, at once.
    """
    needs = dict(job.pipeline.node_dependencies)
    waiting_for = _waiting_for(job.pipeline)
    loads = {name: sum(name in node.inputs for node in job.pipeline.nodes) for name in job.pipeline.datasets()}
    in_memory = job.kept_in_memory()
    order = {node: (-waiting_for[node], place) for place, node in enumerate(job.pipeline.nodes)}
    todo, done = sorted(needs, key=order.__getitem__), set[Node]()
    idle, running = list(workers), dict[Connection, tuple[_Worker, Node]]()
    while todo or running:
        while idle and (step := next((node for node in todo if needs[node] <= done), None)):
            todo.remove(step)
            worker = idle.pop(0)
            given = {name: job.catalog.load(name) for name in step.inputs if name in in_memory}
            worker.connection.send_bytes(pickle.dumps((step.name, given)))  # whole: `send` would share tensors
            running[worker.connection] = (worker, step)
        for connection in cast("list[Connection]", wait(list(running))):
            worker, step = running[connection]
            message = _message(worker, step)
            if not isinstance(message, _Result):
                write_relayed(message, worker.number)
                continue
            write_relayed(MovingText(None), worker.number)
            del running[connection]
            for name, value in _values(message).items():
                job.catalog.save(name, value)
            SequentialRunner._release_datasets(step, job.catalog, loads, job.pipeline)
            done.add(step)
            idle.append(worker)


def _message(worker: _Worker, step: Node) -> _Result | logging.LogRecord | MovingText:
    """What the process of a step sent."""
    try:
        return cast("_Result | logging.LogRecord | MovingText", worker.connection.recv())
    except (EOFError, OSError):
        worker.process.join()
        raise InputError(
            f"The process of step {short_name(step)} was ended from outside (exit code {worker.process.exitcode}), "
            "perhaps since the machine has no more memory; run the same command again with "
            "--runner-params=max_workers=1, which runs one step at a time"
        ) from None


def _values(result: _Result) -> dict[str, Any]:
    """The outputs of a step that no file holds.

    Raises
    ------
    Exception
        What the step raised.
    """
    found = pickle.loads(result.data)
    if isinstance(found, Exception):
        raise found
    return dict(found)


def _waiting_for(pipeline: Pipeline) -> dict[Node, int]:
    """How many steps need the results of each, directly or not."""
    after: dict[Node, set[Node]] = {node: set() for node in pipeline.nodes}
    for node in reversed(pipeline.nodes):
        for before in pipeline.node_dependencies[node]:
            after[before] |= {node} | after[node]
    return {node: len(others) for node, others in after.items()}


def _work(job: _Job, connection: Connection, n_workers: int) -> None:
    """Run the steps whose names arrive, until this process is killed, or the one that started it ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the process that started this one gets it, too
    Thread(target=_end_with_parent, daemon=True).start()
    relay = Relay.in_place_of_handlers(connection)
    log_as_one_of(n_workers)
    import torch

    threads = torch.get_num_threads()
    share = max(1, threads // n_workers)
    limit_threads(share)
    steps = {node.name: node for node in job.pipeline.nodes}
    in_memory = job.kept_in_memory()
    while True:
        name, given = pickle.loads(connection.recv_bytes())
        step = steps[name]
        torch.set_num_threads(share if _model_of(step) else threads)
        relay.send(_result(job, step, given, in_memory.intersection(step.outputs)))


def _result(job: _Job, step: Node, given: Mapping[str, Any], returned: set[str]) -> _Result:
    """Run a step."""
    try:
        for name, value in given.items():
            job.catalog.save(name, value)
        Task(step, job.catalog, job.is_async, job.hooks, job.run_id).execute()
        values = {name: job.catalog.load(name) for name in returned}
        for name in (*given, *returned):
            job.catalog.release(name)
        return _Result(pickle.dumps(values))
    except Exception as error:
        return _Result(_portable(error))


def _portable(error: Exception) -> bytes:
    """An exception as another process can raise it, with the words of the mistake that caused it, if there was one."""
    if message := message_for_user(error):
        return pickle.dumps(InputError(message))
    error.add_note("".join(traceback.format_exception(error)))
    try:
        pickle.loads(data := pickle.dumps(error))
    except Exception:
        return pickle.dumps(RuntimeError("".join(traceback.format_exception(error))))
    return data


def _end_with_parent() -> None:
    """End this process when the one that started it has ended, however it did."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)
