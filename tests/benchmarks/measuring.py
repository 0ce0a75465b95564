"""What the benchmarks share: the memory of a process, and lines of output."""

from pathlib import Path


def memory(name: str) -> int:
    """`VmRSS`, the resident memory now, or `VmHWM`, its peak, in bytes. (`ru_maxrss` would begin at the parent's.)"""
    status = Path("/proc/self/status").read_text()
    return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith(name))


def report(line: str) -> None:
    """Print a line at once, however the output is buffered."""
    print(line, flush=True)  # noqa: T201 - what a benchmark is for
