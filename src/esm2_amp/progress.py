"""Progress of long work as log lines, which read the same in a terminal, a notebook and a cluster's log file."""

import logging
import time


def in_words(seconds: float) -> str:
    """A span of time as a person says it: `48 s`, `3 min`, `2 h 10 min`."""
    if seconds < 90:  # noqa: PLR2004
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"  # noqa: PLR2004


class Progress:
    """Logs how much of a long piece of work is done and about how long the rest takes.

    Parameters
    ----------
    logger : logging.Logger
    what : str
        The work and its unit, as in `embedding residues`.
    total : int
        Units to do.
    every : float
        Seconds between lines. Work done sooner logs nothing.
    """

    def __init__(self, logger: logging.Logger, what: str, total: int, every: float = 5.0) -> None:
        self._logger, self._what, self._total, self._every = logger, what, total, every
        self._done = 0
        self._started = self._last = time.monotonic()

    def add(self, units: int) -> None:
        """Count `units` as done, and log a line when one is due."""
        self._done += units
        now = time.monotonic()
        if now - self._last < self._every or not self._done:
            return
        self._last = now
        left = (now - self._started) / self._done * (self._total - self._done)
        share = 100 * self._done / self._total
        self._logger.info(
            "%s: %s of %s (%.0f %%), about %s left",
            self._what,
            f"{self._done:,}",
            f"{self._total:,}",
            share,
            in_words(left),
        )
