"""Work on many machines: parts of it that the workers of a Dask cluster do, lost ones replaced."""

import logging
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any, Final, TypeVar

from esm2_amp.errors import InputError

logger = logging.getLogger(__name__)

WAIT_FOR_WORKERS = 60.0
"""Seconds until a scheduler without workers is an error."""

_AHEAD: Final = 2
"""Parts submitted for each thread of a worker: with one to spare no thread is idle, and more would only take memory."""

Shared = TypeVar("Shared")
Result = TypeVar("Result")


def results_of_workers(
    function: Callable[..., Result], shared: Any, parts: Iterable[tuple[Any, ...]], address: str, parameter: str
) -> Iterator[Result]:
    """The result of each part of some work, as soon as a worker has it.

    The parts of a worker that is lost are submitted to others.

    Parameters
    ----------
    function : callable
        Takes `shared` and the values of one part. It must be importable on the workers.
    shared : object
        What all parts have in common. Each worker gets it once; the scheduler keeps a copy for workers to come.
    parts : iterable of tuple
        The further arguments of `function` for each part, read when a worker is free for them.
    address : str
        Address of a Dask scheduler, such as `tcp://host:8786`.
    parameter : str
        Name of the parameter that the address comes from, for messages.

    Yields
    ------
    result : object
        In the order in which workers finish.

    Raises
    ------
    InputError
        Dask isn't installed, or no scheduler or no worker answers.
    """
    try:
        from dask.distributed import Client, as_completed  # an extra
    except ModuleNotFoundError as error:
        raise InputError(
            f"{parameter} needs Dask, which isn't installed: pip install 'esm2_amp[dask]', or leave it out"
        ) from error
    try:
        client = Client(address)
    except (OSError, ValueError) as error:  # a time limit is an OSError
        raise InputError(
            f"{parameter} must be the address of a running Dask scheduler, as tcp://host:8786, got {address!r} "
            f"({error}); start one with `dask scheduler`, or leave it out"
        ) from error
    with client:
        try:
            client.wait_for_workers(1, timeout=WAIT_FOR_WORKERS)
        except TimeoutError as error:
            raise InputError(
                f"The Dask scheduler at {address} has no worker; start some with `dask worker {address} --nthreads 1`"
            ) from error
        threads = sum(client.nthreads().values())
        logger.info("Dask cluster at %s: %d workers, %d threads", address, len(client.nthreads()), threads)
        common = client.submit(_received, shared, pure=False)
        waiting = (client.submit(function, common, *part, pure=False) for part in parts)
        running = as_completed(islice(waiting, _AHEAD * threads), with_results=True)
        for _, result in running:
            yield result
            for future in islice(waiting, 1):
                running.add(future)


def _received(shared: Shared) -> Shared:
    """What all parts share, as the result of a task: a worker that needs it fetches it, or computes it again."""
    return shared
