"""Lines that move on a terminal, of one process and of several."""

import logging
import os
import subprocess
import sys
from multiprocessing import Pipe
from pathlib import Path

import pytest

from esm2_amp import moving_line
from esm2_amp.moving_line import MovingLines, Relay, write_relayed
from test_progress import Terminal

ERASED = "\r\x1b[K"
UP = "\x1b[A\x1b[K"


@pytest.fixture
def logger(request):
    """A logger that writes to a terminal alone."""
    made = logging.getLogger(f"moving.{request.node.name}")
    made.setLevel(logging.INFO)
    made.propagate = False
    made.handlers = [logging.StreamHandler(Terminal())]
    yield made
    made.handlers = []


def shown_on(logger):
    return logger.handlers[0].stream.getvalue()


def test_each_process_has_a_line(logger):
    for process, text in [(1, "second: 1 %"), (0, "first: 1 %"), (1, "second: 2 %")]:
        MovingLines.of(logger.handlers[0]).show(text, process)
    both = f"{ERASED}first: 1 %\nsecond: 1 %{ERASED}{UP}first: 1 %\nsecond: 2 %"
    assert shown_on(logger) == f"{ERASED}second: 1 %{both}"


def test_lines_make_room_for_a_record_and_come_back(logger):
    lines = MovingLines.of(logger.handlers[0])
    lines.show("first", 0)
    lines.show("second", 1)
    logger.info("a record")
    logger.info("another")
    lines.show("second", 1)
    assert shown_on(logger).endswith(f"{ERASED}{UP}a record\nanother\n{ERASED}first\nsecond")


def test_a_line_that_is_taken_away_stays_away(logger):
    lines = MovingLines.of(logger.handlers[0])
    lines.show("first", 0)
    lines.show("second", 1)
    lines.erase(0)
    lines.show("second", 1)
    lines.erase(1)
    assert shown_on(logger).endswith(f"{ERASED}{UP}{ERASED}second{ERASED}")


def test_a_line_is_as_wide_as_the_terminal(logger, monkeypatch):
    monkeypatch.setenv("COLUMNS", "10")
    MovingLines.of(logger.handlers[0]).show("0123456789")
    assert shown_on(logger) == f"{ERASED}012345678"


def test_a_relay_sends_records_and_texts_to_the_process_that_writes(logger, monkeypatch):
    monkeypatch.setattr(moving_line, "logger", logger)
    here, there = Pipe()
    relay = Relay(there)
    sender = logging.Logger(logger.name)
    sender.addHandler(relay)
    try:
        raise KeyError("entry")
    except KeyError:
        sender.exception("failed: %s", object)
    relay.show("half")
    relay.erase()
    for _ in range(3):
        write_relayed(here.recv(), process=0)
    written = shown_on(logger)
    assert written.startswith(f"failed: {object}\nTraceback")
    assert written.endswith(f"KeyError: 'entry'\n{ERASED}half{ERASED}")


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="steps run side by side on Linux alone")
def test_steps_side_by_side_have_a_moving_line_each():
    script = """
import logging, time
from functools import partial
from esm2_amp import progress
from test_side_by_side import of_each, run_of

progress._BEFORE_MOVING, progress._BETWEEN_MOVES = 0, 0
logger = logging.getLogger("esm2_amp")
logger.setLevel(logging.INFO)
logger.addHandler(logging.StreamHandler())

def work(name, _):
    counted = progress.Progress(logger, name, 50)
    for _ in range(50):
        time.sleep(0.02)
        counted.add(1)
    logger.info("%s has ended", name)
    return name

run_of(of_each(partial(work, "first"), partial(work, "second")))
"""
    terminal, stderr = os.openpty()
    places = os.pathsep.join(filter(None, [*sys.path, str(Path(__file__).parent / "app")]))
    with subprocess.Popen([sys.executable, "-c", script], stderr=stderr, env=os.environ | {"PYTHONPATH": places}):
        os.close(stderr)
        written = read_all(terminal).replace("\r\n", "\n")
    assert f"{ERASED}{UP}first: " in written or f"{ERASED}{UP}second: " in written
    for name in ("first", "second"):
        assert f"{name}: 49 of 50 (98 %)" in written
        assert written.partition(f"{name} has ended\n")[0].endswith(("\n", ERASED, UP))
    assert "\x1b" not in written.rpartition("has ended")[2]


def read_all(terminal):
    """What is written to a terminal until nobody holds its other end."""
    parts = []
    try:
        while part := os.read(terminal, 65536):
            parts.append(part)
    except OSError:  # Linux says so when the other end is closed
        os.close(terminal)
    return b"".join(parts).decode()
