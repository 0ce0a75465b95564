"""Lines of progress: how much is done, how fast, and how long the rest takes."""

import logging

import pytest

from esm2_amp import progress
from esm2_amp.progress import Progress


@pytest.mark.parametrize(
    ("unit", "line"),
    [
        ("", "scoring: 2,000 of 8,000 (25 %), about 30 s left"),
        ("pairs", "scoring: 2,000 of 8,000 (25 %), 200 pairs/s, about 30 s left"),
    ],
)
def test_line_says_the_pace_where_there_is_a_unit(unit, line, monkeypatch, caplog):
    clock = iter([0.0, 1.0, 10.0])
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(clock))
    counted = Progress(logging.getLogger("work"), "scoring", 8000, unit=unit)
    with caplog.at_level("INFO"):
        counted.add(1000)  # too soon for a line
        counted.add(1000)
    assert caplog.messages == [line]
