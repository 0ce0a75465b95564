"""Work on many machines: parts of it that the workers of a Dask cluster do, lost ones replaced."""

import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import chain, islice
from typing import Any, Final, NamedTuple, Self, TypeVar

from esm2_amp.errors import InputError
from esm2_amp.parameters.run import Device, RunParameters

logger = logging.getLogger(__name__)

WAIT_FOR_WORKERS = 60.0
"""Seconds until a scheduler without workers is an error."""

_AHEAD: Final = 2
"""Parts submitted for each thread of a worker: with one to spare no thread is idle, and more would only take memory."""

Shared = TypeVar("Shared")
Result = TypeVar("Result")


class Cluster(NamedTuple):
    """The workers of a Dask cluster, which share work.

    Attributes
    ----------
    address : str
        Address of the scheduler, such as `tcp://host:8786`.
    device : {"auto", "cpu", "cuda", "mps"}
        Where each worker computes, on its own machine.
    """

    address: str
    device: Device

    @classmethod
    def of(cls, run: RunParameters) -> Self | None:
        """The cluster of a run, or None where it has none."""
        return cls(run.cluster, run.device) if run.cluster else None

    def check(self) -> None:
        """Raise InputError where Dask isn't installed, or no scheduler or no worker answers."""
        with _connected(self.address):
            pass

    def results(
        self, function: Callable[..., Result], shared: Any, parts: Iterable[tuple[Any, ...]]
    ) -> Iterator[Result]:
        """The result of each part of some work, as soon as a worker has it.

        The parts of a worker that is lost are submitted to others. Without parts the scheduler isn't asked for.

        Parameters
        ----------
        function : callable
            Takes `shared` and the values of one part. It must be importable on the workers.
        shared : object
            What all parts have in common. Each worker gets it once; the scheduler keeps a copy for workers to come.
        parts : iterable of tuple
            The further arguments of `function` for each part, read when a worker is free for them.

        Yields
        ------
        result : object
            In the order in which workers finish.

        Raises
        ------
        InputError
            Dask isn't installed, or no scheduler or no worker answers.
        """
        rest = iter(parts)
        first = list(islice(rest, 1))
        if not first:
            return
        with _connected(self.address) as client:
            from dask.distributed import as_completed

            threads = sum(client.nthreads().values())
            logger.info("Dask cluster at %s: %d workers, %d threads", self.address, len(client.nthreads()), threads)
            common = client.submit(_received, shared, pure=False)
            waiting = (client.submit(function, common, *part, pure=False) for part in chain(first, rest))
            running = as_completed(islice(waiting, _AHEAD * threads), with_results=True)
            for _, result in running:
                yield result
                for future in islice(waiting, 1):
                    running.add(future)


@contextmanager
def _connected(address: str) -> Iterator[Any]:
    """A client of the scheduler, which has a worker; InputError where there is no such scheduler."""
    try:
        from dask.distributed import Client  # an extra
    except ModuleNotFoundError as error:
        raise InputError(
            "cluster needs Dask, which isn't installed: pip install 'esm2_amp[dask]', or leave it out"
        ) from error
    try:
        client = Client(address)
    except (OSError, ValueError) as error:  # a time limit is an OSError
        raise InputError(
            f"cluster must be the address of a running Dask scheduler, as tcp://host:8786, got {address!r} ({error}); "
            "start one with `dask scheduler`, or leave it out"
        ) from error
    with client:
        try:
            client.wait_for_workers(1, timeout=WAIT_FOR_WORKERS)
        except TimeoutError as error:
            raise InputError(
                f"The Dask scheduler at {address} has no worker; start some with `dask worker {address} --nthreads 1`"
            ) from error
        yield client


def _received(shared: Shared) -> Shared:
    """What all parts share, as the result of a task: a worker that needs it fetches it, or computes it again."""
    return shared
