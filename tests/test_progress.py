"""Progress: how much is done, how fast, how long the rest takes, and how often that is said."""

import io
import logging
import random
from itertools import pairwise

import pytest

from esm2_amp import progress
from esm2_amp.progress import Budget, Lines, Pace, Progress

HOUR = 3600.0


class Clock:
    """Time that passes only when a test lets it."""

    def __init__(self):
        self.now = 1000.0

    def monotonic(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    made = Clock()
    monkeypatch.setattr(progress.time, "monotonic", made.monotonic)
    return made


@pytest.fixture
def logger(request):
    """A logger that no handler of the process sees, and its lines."""
    made = logging.getLogger(f"progress.{request.node.name}")
    made.setLevel(logging.INFO)
    made.propagate = False
    made.lines = []
    handler = logging.Handler()
    handler.emit = lambda record: made.lines.append(record.getMessage())
    made.addHandler(handler)
    yield made
    made.removeHandler(handler)


def counted(logger, total, **options):
    return Progress(logger, "scoring", total, lines=Lines(logger, budget=Budget()), **options)


@pytest.mark.parametrize(
    ("unit", "line"),
    [
        ("", "scoring: 2,000 of 8,000 (25 %), about 30 s left"),
        ("pairs", "scoring: 2,000 of 8,000 (25 %), 200 pairs/s, about 30 s left"),
    ],
)
def test_line_says_the_pace_where_there_is_a_unit(unit, line, clock, logger):
    work = counted(logger, 8000, unit=unit)
    for seconds in (1, 9):  # the first is too soon for a line
        clock.now += seconds
        work.add(1000)
    assert logger.lines == [line]


def lines_of(clock, logger, seconds, step=0.1):
    """When lines are logged of work that takes so long, in seconds from its beginning."""
    steps, began, times = round(seconds / step), clock.now, []
    work = counted(logger, steps)
    for _ in range(steps):
        clock.now += step
        before = len(logger.lines)
        work.add(1)
        times += [round(clock.now - began)] * (len(logger.lines) - before)
    return times


def test_short_work_says_nothing(clock, logger):
    assert lines_of(clock, logger, 4.9) == []


def test_distances_grow(clock, logger):
    assert lines_of(clock, logger, 205) == [5, 20, 80, 140, 200, 205]
    assert logger.lines[-1] == "scoring: 2,050 of 2,050 (100 %), took 3 min"


@pytest.mark.parametrize("seconds", [1, 6, 20, 61, 600, HOUR])
def test_an_hour_has_at_most_a_hundred_lines_whatever_it_is_made_of(clock, logger, seconds):
    budget, began = Budget(), clock.now
    while clock.now - began < HOUR - 1e-3:
        work = Progress(logger, "work", 100, lines=Lines(logger, budget=budget))
        for _ in range(100):
            clock.now += seconds / 100
            work.add(1)
    assert len(logger.lines) <= 100
    assert (len(logger.lines) > 20) == (seconds > 5)


def test_estimate_goes_by_work_and_not_by_units(clock, logger):
    sizes = list(range(100, 0, -1))  # the longest first, each of which takes the square of its size
    work = counted(logger, sum(sizes), work=sum(size**2 for size in sizes))
    seconds_per_work = 600 / sum(size**2 for size in sizes)
    estimates = []
    for size in sizes:
        clock.now += size**2 * seconds_per_work
        before = len(logger.lines)
        work.add(size, size**2)
        if len(logger.lines) > before and "left" in logger.lines[-1]:
            estimates.append((logger.lines[-1], 1000 + 600 - clock.now))
    assert len(estimates) > 5
    for line, truly in estimates:
        value, unit = line.split("about ")[1].split()[:2]
        assert int(value) * {"s": 1, "min": 60}[unit] == pytest.approx(truly, abs=31 if unit == "min" else 1)


def test_estimate_follows_the_recent_rate(clock):
    pace = Pace()
    for _ in range(100):  # slow at first
        clock.now += 1
        pace.add(1)
    for _ in range(400):  # then ten times as fast
        clock.now += 0.1
        pace.add(1)
    assert pace.left(1000) == "about 2 min left"  # 100 s at the recent rate, 280 s by the mean of all
    assert 1000 * pace.spent / pace.done > 270


def test_estimate_of_few_and_long_parts(clock):
    pace = Pace()
    assert pace.left(3) == "no estimate yet"
    for _ in range(2):
        clock.now += 300
        pace.add(1)
    assert pace.left(1) == "about 5 min left"


class Terminal(io.StringIO):
    def isatty(self):
        return True


def on_terminal(logger):
    logger.handlers.clear()
    terminal = Terminal()
    logger.addHandler(logging.StreamHandler(terminal))
    return terminal


def test_a_terminal_has_one_line_that_moves_and_goes_away(clock, logger, monkeypatch):
    monkeypatch.setenv("COLUMNS", "30")
    terminal = on_terminal(logger)
    work = counted(logger, 100)
    for _ in range(19):
        clock.now += 0.1
        work.add(1)
    assert terminal.getvalue() == ""  # nothing in the first two seconds
    for _ in range(80):
        clock.now += 0.1
        work.add(1)
    assert "\n" not in terminal.getvalue()
    shown = [line for line in terminal.getvalue().split("\r\x1b[K") if line]
    assert shown[0] == "scoring: 20 of 100 (20 %), ab"
    assert len(shown) == 16
    logger.info("something else")
    assert terminal.getvalue().endswith("\r\x1b[Ksomething else\n")
    work.add(1)
    assert terminal.getvalue().endswith("something else\n")  # ten seconds aren't worth a last line


def test_processes_that_log_to_one_place_have_its_lines_together(clock, logger, monkeypatch):
    monkeypatch.setattr(progress, "_OF_THE_RUN", Budget())
    progress.log_as_one_of(4)
    for _ in range(int(HOUR) // 6):
        work = Progress(logger, "work", 100)
        for _ in range(100):
            clock.now += 0.06
            work.add(1)
    assert 5 < len(logger.lines) <= 25


def test_a_log_file_beside_a_terminal_gets_lines(clock, logger):
    lines, handler = logger.lines, logger.handlers[0]
    terminal = on_terminal(logger)
    logger.addHandler(handler)
    assert lines_of(clock, logger, 30) == [5, 20, 30]
    assert len(lines) == 3
    assert terminal.getvalue().count("\n") == 3


def test_lines_are_due_by_time_however_uneven_the_work(clock, logger):
    rng = random.Random(0)
    parts = [rng.expovariate(1) for _ in range(3000)]
    work = counted(logger, len(parts), work=sum(parts))
    times = []
    for part in parts:
        clock.now += part
        before = len(logger.lines)
        work.add(1, part)
        times += [clock.now] * (len(logger.lines) - before)
    gaps = [after - before for before, after in pairwise(times)]
    assert max(gaps) < 60 + max(parts)
    assert min(gaps[2:-1]) >= 60
