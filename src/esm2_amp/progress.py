"""Progress of long work as log lines, which read the same in a terminal, a notebook and a cluster's log file."""

import logging
import time


def in_words(seconds: float) -> str:
    """A span of time as a person says it: `48 s`, `3 min`, `2 h 10 min`."""
    if seconds < 90:  # noqa: PLR2004
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"  # noqa: PLR2004


def time_left(spent: float, done: int, left: int) -> str:
    """What a line of progress ends in: `about 48 s left` at the pace so far, `took 3 min` where nothing is left.

    Parameters
    ----------
    spent : float
        Seconds.
    done, left : int
        Units of work, `done` of them in the time spent.
    """
    return f"about {in_words(spent / done * left)} left" if left > 0 else f"took {in_words(spent)}"


class Progress:
    """Logs how much of a long piece of work is done and about how long the rest takes.

    Parameters
    ----------
    logger : logging.Logger
        Where the lines go.
    what : str
        The work and its unit, as in `embedding residues`.
    total : int
        Units to do.
    every : float
        Seconds between lines. Work done sooner logs nothing.
    unit : str, optional
        Of the work, for its pace: with `pairs`, a line also says how many pairs are done in a second.
    """

    def __init__(self, logger: logging.Logger, what: str, total: int, every: float = 5.0, unit: str = "") -> None:
        self._logger, self._what, self._total, self._every, self._unit = logger, what, total, every, unit
        self._done = 0
        self._started = self._last = time.monotonic()

    def add(self, units: int) -> None:
        """Count `units` as done, and log a line when one is due."""
        self._done += units
        now = time.monotonic()
        if now - self._last < self._every or not self._done:
            return
        self._last = now
        share = 100 * self._done / self._total
        pace = f", {self._done / (now - self._started):,.0f} {self._unit}/s" if self._unit else ""
        self._logger.info(
            "%s: %s of %s (%.0f %%)%s, %s",
            self._what,
            f"{self._done:,}",
            f"{self._total:,}",
            share,
            pace,
            time_left(now - self._started, self._done, self._total - self._done),
        )
