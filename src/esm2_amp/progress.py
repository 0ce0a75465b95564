"""Progress of long work: lines in a log or a pipe, one line that moves on a terminal, and when the rest will be done.

Work that takes less than some seconds says nothing. Then lines follow at growing distances, and all work of a run
together has few enough of them to be read: at most a hundred an hour.
"""

import logging
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, repeat
from typing import Final, TypeVar

from esm2_amp.moving_line import handlers_of

Unit = TypeVar("Unit")

WAITS: Final = (5.0, 15.0, 60.0)
"""Seconds to the first line of a log, and from each to the next; the last holds on."""

_BEFORE_MOVING: Final = 2.0
_BETWEEN_MOVES: Final = 0.5
"""Seconds until a terminal shows work, and between two changes there."""

_RECENT: Final = 30.0
_RECENT_SHARE: Final = 0.25
"""Seconds whose rate makes the estimate: at least so many, or this share of the time so far."""

_WORTH_AN_END: Final = 15.0
"""Seconds of work from which a line says that it is done."""


def in_words(seconds: float) -> str:
    """A span of time as a person says it: `48 s`, `3 min`, `2 h 10 min`."""
    if seconds < 90:  # noqa: PLR2004
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"  # noqa: PLR2004


def time_left(spent: float, done: float, left: float) -> str:
    """What a line of progress ends in: `about 48 s left` at the pace so far, `took 3 min` where nothing is left.

    Parameters
    ----------
    spent : float
        Seconds.
    done, left : float
        Units of work, `done` of them in the time spent.
    """
    return f"about {in_words(spent / done * left)} left" if left > 0 else f"took {in_words(spent)}"


class Budget:
    """How many lines of progress may be logged: some at once, and further ones as time goes on.

    Parameters
    ----------
    most : int
        Lines that may follow one another.
    every : float
        Seconds in which one more may be logged.
    """

    def __init__(self, most: int = 20, every: float = 50.0) -> None:
        self._most, self._every, self._left = most, every, float(most)
        self._counted = time.monotonic()

    def share(self, parts: int) -> None:
        """Keep one of equal parts."""
        self._most, self._every = max(1, self._most // parts), self._every * parts
        self._left = min(self._most, self._left)

    def spend(self, *, asked: bool = True) -> bool:
        """Whether a line may be logged, which then counts; one that isn't asked for counts in any case."""
        now = time.monotonic()
        self._left = min(self._most, self._left + (now - self._counted) / self._every)
        self._counted = now
        if asked and self._left < 1:
            return False
        self._left -= 1
        return True


_OF_THE_RUN: Final = Budget()


def log_as_one_of(processes: int) -> None:
    """Let this process, one of several that log to the same place, log its share of lines.

    Parameters
    ----------
    processes : int
        How many they are.
    """
    _OF_THE_RUN.share(processes)


class Pace:
    """How fast work goes, by what was done of late: the first batches are slow, and parts of a work differ."""

    def __init__(self) -> None:
        self.done = 0.0
        self.started = time.monotonic()
        self._marks = deque([(self.started, 0.0)])

    @property
    def spent(self) -> float:
        """Seconds since the work began."""
        return time.monotonic() - self.started

    def add(self, work: float) -> None:
        """Count work as done."""
        self.done += work
        now = time.monotonic()
        recent = max(_RECENT, _RECENT_SHARE * (now - self.started))
        if now - self._marks[-1][0] >= recent / 20:
            self._marks.append((now, self.done))
        while len(self._marks) > 2 and self._marks[1][0] <= now - recent:  # noqa: PLR2004
            self._marks.popleft()

    def left(self, work: float) -> str:
        """What a line of progress ends in, as by `time_left`, where so much is left to do."""
        since, done = self._marks[0]
        if work <= 0 or self.done <= done:
            return time_left(self.spent, self.done, work) if self.done else "no estimate yet"
        return time_left(time.monotonic() - since, self.done - done, work)


class Lines:
    """Lines about one piece of work, each where it is due.

    Parameters
    ----------
    logger : logging.Logger
        Where they go.
    waits : sequence of float
        Seconds to the first line, and from each to the next; the last holds on.
    budget : Budget, optional
        What all work shares; by default that of the run.
    """

    def __init__(self, logger: logging.Logger, waits: Sequence[float] = WAITS, budget: Budget | None = None) -> None:
        self._logger, self._budget = logger, budget or _OF_THE_RUN
        self._waits = chain(waits, repeat(waits[-1]))
        self._wait = next(self._waits)
        self.started = self._logged = self._moved = time.monotonic()
        self._moving, self._is_read_later = handlers_of(logger)

    def offer(self, text: Callable[[], str]) -> None:
        """Log or show a line, if one is due."""
        now = time.monotonic()
        if self._moving and now - self.started >= _BEFORE_MOVING and now - self._moved >= _BETWEEN_MOVES:
            self._moved = now
            self._moving.show(text())
        if self._is_read_later and now - self._logged >= self._wait and self._budget.spend():
            self._wait = next(self._waits)
            self._log(text())

    def say(self, text: str) -> None:
        """Log a line that is due in any case."""
        self._budget.spend(asked=False)
        self._log(text)

    def end(self, text: Callable[[], str]) -> None:
        """Take the moving line away, and log a last one for work that took its time."""
        if self._moving:
            self._moving.erase()
        if time.monotonic() - self.started >= _WORTH_AN_END and self._budget.spend():
            self._log(text())

    def _log(self, text: str) -> None:
        self._logged = time.monotonic()
        self._logger.info("%s", text)


class Progress:
    """Shows how much of a long piece of work is done and about how long the rest takes.

    Parameters
    ----------
    logger : logging.Logger
        Where the lines go.
    what : str
        The work and its unit, as in `embedding residues`.
    total : int
        Units to do.
    unit : str, optional
        Of the work, for its pace: with `pairs`, a line also says how many pairs are done in a second.
    work : float, optional
        What all units take, on any scale, where they don't take alike: the share done and the estimate go by it.
    lines : Lines, optional
        Where and when lines are shown; by default as the logger and the run have it.
    """

    def __init__(
        self,
        logger: logging.Logger,
        what: str,
        total: int,
        unit: str = "",
        work: float | None = None,
        lines: Lines | None = None,
    ) -> None:
        self._what, self._total, self._unit = what, total, unit
        self._work = total if work is None else work
        self._done = 0
        self._pace, self._lines = Pace(), lines or Lines(logger)

    def add(self, units: int, work: float | None = None) -> None:
        """Count `units` as done, which took `work`, and show a line when one is due."""
        if not units:
            return
        self._done += units
        self._pace.add(units if work is None else work)
        if self._done < self._total:
            self._lines.offer(self._text)
        else:
            self._lines.end(self._text)

    def over(self, units: Iterable[Unit]) -> Iterator[Unit]:
        """Hand units of work on one by one, and count each as done when the next is asked for."""
        for unit in units:
            yield unit
            self.add(1)

    def _text(self) -> str:
        share = 100 * self._pace.done / self._work
        rate = self._done / max(self._pace.spent, 1e-9)
        pace = f", {rate:,.0f} {self._unit}/s" if self._unit else ""
        left = self._work - self._pace.done if self._done < self._total else 0
        return f"{self._what}: {self._done:,} of {self._total:,} ({share:.0f} %){pace}, {self._pace.left(left)}"
