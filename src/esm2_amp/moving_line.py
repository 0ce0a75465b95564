"""The lines of a terminal that move as work goes on: one for each process that works."""

import logging
import shutil
from collections.abc import Iterator
from contextlib import suppress
from logging.handlers import QueueHandler
from multiprocessing.connection import Connection
from queue import SimpleQueue
from typing import Any, NamedTuple, Self, TextIO

logger = logging.getLogger(__name__)


class MovingLines(logging.Filter):
    """The last lines of a terminal, written over as work goes on, and taken away before anything is logged there.

    Parameters
    ----------
    stream : file object
        The terminal.
    """

    def __init__(self, stream: TextIO) -> None:
        super().__init__()
        self._stream = stream
        self._texts = dict[int, str]()
        self._on_terminal = 0

    @classmethod
    def of(cls, handler: logging.Handler) -> Self | None:
        """Those of a handler which writes to a terminal; None for others."""
        console = getattr(handler, "console", None)  # of Rich, which Kedro logs by
        stream = getattr(console, "file", None) or getattr(handler, "stream", None)
        if stream is None or not stream.isatty() or getattr(console, "is_jupyter", False):
            return None
        if (there := next((each for each in handler.filters if isinstance(each, cls)), None)) is None:
            handler.addFilter(there := cls(stream))
        return there

    def show(self, text: str, process: int = 0) -> None:
        """Write the line of a process over the one that is there."""
        self._texts[process] = text
        width = shutil.get_terminal_size().columns - 1
        lines = [self._texts[each][:width] for each in sorted(self._texts)]
        self._write(self._erasure() + "\n".join(lines))
        self._on_terminal = len(lines)

    def erase(self, process: int = 0) -> None:
        """Take the line of a process away; the others are shown again with the next that moves."""
        if self._texts.pop(process, None) is not None:
            self._clear()

    def filter(self, record: logging.LogRecord) -> bool:
        """Let every record through, after clearing the terminal of the lines."""
        self._clear()
        return True

    def _clear(self) -> None:
        if self._on_terminal:
            self._write(self._erasure())
            self._on_terminal = 0

    def _erasure(self) -> str:
        return "\r\x1b[K" + "\x1b[A\x1b[K" * (self._on_terminal - 1)

    def _write(self, text: str) -> None:
        with suppress(OSError, ValueError):  # a terminal that was closed
            self._stream.write(text)
            self._stream.flush()


class MovingText(NamedTuple):
    """What the line of another process is to show; None takes it away."""

    text: str | None


class Relay(QueueHandler):
    """Hands what this process logs, and its moving line, to the one that writes for several.

    Parameters
    ----------
    connection : multiprocessing.connection.Connection
        Its other end is read by the process that calls `write_relayed`.
    """

    def __init__(self, connection: Connection) -> None:
        super().__init__(SimpleQueue())  # stays empty: see `enqueue`
        self._connection = connection
        moving, self.is_read_later = handlers_of(logger)
        self.moves = moving is not None

    @classmethod
    def in_place_of_handlers(cls, connection: Connection) -> Self:
        """One that all loggers of this process log to."""
        relay = cls(connection)
        others = [each for each in logging.Logger.manager.loggerDict.values() if isinstance(each, logging.Logger)]
        for each in (logging.getLogger(), *others):
            each.handlers = [relay] if each.parent is None or not each.propagate else []
        return relay

    def show(self, text: str) -> None:
        """Let the line of this process show a text."""
        self.send(MovingText(text))

    def erase(self) -> None:
        """Take the line of this process away."""
        self.send(MovingText(None))

    def enqueue(self, record: logging.LogRecord) -> None:
        """Send a record."""
        self.send(record)

    def send(self, message: Any) -> None:
        """Send a message of any kind, whole, whichever threads send others."""
        assert self.lock is not None  # made by `logging.Handler`
        with self.lock:
            self._connection.send(message)


def write_relayed(message: logging.LogRecord | MovingText, process: int) -> None:
    """Log, or show on the terminal, what the relay of another process sent.

    Parameters
    ----------
    message : logging.LogRecord or MovingText
        What it sent.
    process : int
        Which process that is; their lines stand in this order.
    """
    if isinstance(message, logging.LogRecord):
        logging.getLogger(message.name).handle(message)
        return
    lines, _ = handlers_of(logger)
    if isinstance(lines, MovingLines):
        if message.text is None:
            lines.erase(process)
        else:
            lines.show(message.text, process)


def handlers_of(of: logging.Logger) -> tuple[MovingLines | Relay | None, bool]:
    """What shows a moving line of work that a logger tells of, and whether its lines go to anything else."""
    if not of.isEnabledFor(logging.INFO):
        return None, True
    moving: list[MovingLines | Relay | None] = []
    for handler in _handlers_reached(of):
        if isinstance(handler, Relay):
            return handler if handler.moves else None, handler.is_read_later
        moving.append(MovingLines.of(handler))
    return next((line for line in moving if line), None), not moving or None in moving


def _handlers_reached(of: logging.Logger | None) -> Iterator[logging.Handler]:
    while of:
        yield from of.handlers
        of = of.parent if of.propagate else None
