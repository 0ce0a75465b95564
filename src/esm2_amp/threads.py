"""How many threads this process may keep busy, how they wait, and the limits of libraries that would start more."""

import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

_VARIABLES: Final = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
"""Read by libraries as they are loaded, in this process and in those that it starts."""


_WAITING: Final = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")
"""By which a user says how the threads of GNU's OpenMP wait, PyTorch's on Linux."""

SPINS: Final = 10_000
"""Turns of the loop before a waiting thread sleeps, less than a millisecond; GNU's OpenMP makes 300,000."""


def allowed_threads(root: Path = Path("/")) -> int:
    """The processors that this process may use: those of its affinity, or fewer where a control group caps its time.

    PyTorch and the libraries of linear algebra count processors by themselves and see the affinity, but no cap: in a
    container with 2 of 64 processors' time they start 64 threads, which wait for one another.

    Parameters
    ----------
    root : Path
        Where `/proc` and `/sys` lie.
    """
    affinity = getattr(os, "sched_getaffinity", None)  # not on macOS and Windows
    processors = len(affinity(0)) if affinity else os.cpu_count() or 1
    return max(1, min([processors, *map(math.ceil, _caps(root))]))


def wait_shortly() -> None:
    """Keep PyTorch's threads from waiting for one another in a loop for long, unless the user says how they wait.

    Where another process has one of the processors, that loop takes the time in which the process would be done. To be
    called before PyTorch is imported.
    """
    if not any(variable in os.environ for variable in _WAITING):
        os.environ["GOMP_SPINCOUNT"] = str(SPINS)


def limit_threads(most: int | None = None) -> None:
    """Keep the libraries of linear algebra from starting more threads than are allowed.

    Variables that are set already are left as they are.

    Parameters
    ----------
    most : int, optional
        Threads of a process that shares the processors with others; by default those of `allowed_threads`.
    """
    allowed = most or allowed_threads()
    if allowed >= (os.cpu_count() or 1):
        return
    from threadpoolctl import threadpool_info, threadpool_limits  # type: ignore[import-untyped]

    for variable in _VARIABLES:
        os.environ.setdefault(variable, str(allowed))
    if any(pool["num_threads"] > allowed for pool in threadpool_info()):
        threadpool_limits(allowed)


def _caps(root: Path) -> Iterator[float]:
    """Processors' time that the control groups of this process have, in processors: of version 2 and of version 1."""
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:  # no Linux
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers and "cpu" not in controllers.split(","):
            continue
        top = root / "sys/fs/cgroup" / ("cpu" if controllers else "")
        group = top / path.strip("/")
        # inside a container the path is that of the host, and the container's own group is the top
        for folder in {top, group, *(parent for parent in group.parents if parent.is_relative_to(top))}:
            yield from _cap_of(folder)


def _cap_of(folder: Path) -> Iterator[float]:
    try:
        if (both := folder / "cpu.max").exists():
            quota, period = both.read_text().split()
        else:
            quota, period = ((folder / f"cpu.cfs_{name}_us").read_text().strip() for name in ("quota", "period"))
    except OSError:
        return
    if quota not in ("max", "-1"):
        yield int(quota) / int(period)
