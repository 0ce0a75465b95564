"""Devices: where tensors are computed, and by how many threads."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache

import torch

from esm2_amp.errors import InputError
from esm2_amp.parameters.run import Device
from esm2_amp.threads import allowed_threads, limit_threads


def resolve_device(device: Device) -> torch.device:
    """The device of that name; `auto` takes the first of cuda, mps, cpu that this machine has.

    PyTorch is kept to the threads that this process may keep busy.

    Raises
    ------
    InputError
        When the machine doesn't have it.
    """
    _limit_pytorch()
    has = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    present = [name for name, is_there in has.items() if is_there]
    if device == "auto":
        return torch.device(present[0])
    if device not in present:
        raise InputError(f"device must be one that this machine has (auto, {', '.join(present)}), got '{device}'")
    return torch.device(device)


@cache
def _limit_pytorch() -> None:
    limit_threads()
    if torch.get_num_threads() > (allowed := allowed_threads()):
        torch.set_num_threads(allowed)


@contextmanager
def side_by_side(batches: int, device: torch.device) -> Iterator[ThreadPoolExecutor]:
    """Workers that share PyTorch's threads on the CPU, and one worker for any other device.

    A batch is a sequence of short operations. Threads that split an operation wait for one another at its end; threads
    with a batch of their own don't.

    Parameters
    ----------
    batches : int
        How many there are: no more workers are made.
    device : torch.device
        Where the batches are computed.
    """
    threads = torch.get_num_threads()
    workers = min(threads, max(1, batches)) if device.type == "cpu" else 1
    try:
        with ThreadPoolExecutor(workers, initializer=torch.set_num_threads, initargs=(threads // workers,)) as pool:
            yield pool
    finally:
        torch.set_num_threads(threads)
