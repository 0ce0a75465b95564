"""Whether the tables that a run wrote have names of one style, are described, and have no more digits than they say."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import pyarrow.parquet as pq

from esm2_amp.columns import ABBREVIATIONS
from esm2_amp.regions.types import ALL

PAGE = Path(__file__).parents[1] / ".readme/outputs.md"
SCORES = ("scored_pairs.csv", "baseline_scores.csv", "predicted_pairs.csv")
"""Tables whose numbers have all digits."""

_STYLE = re.compile("([A-Z][a-z]*|[0-9]+)+")
_IN_LOWER_CASE = re.compile("|".join(word.capitalize() for word in ABBREVIATIONS))
_TOKEN = re.compile(r"[AB]_(cls|eos|mean|segment\d)(_\d+)?")
_FLOAT = re.compile(r"[-+]?(\d*\.\d+|\d+e[-+]\d+)(e[-+]?\d+)?")
_DIGITS = 6


class Described(NamedTuple):
    """A row of the page on outputs: which files it is about, columns that they have, and those that they may have."""

    files: re.Pattern[str]
    columns: set[str]
    perhaps: set[str]


def described() -> list[Described]:
    """The tables of the page on outputs."""
    rows = []
    for paths, words in re.findall(r"^\| (`0[78]_[^|]*) \|[^|]*\|(.*)\|$", PAGE.read_text(), flags=re.M):
        names = [re.sub("<[^>]+>", "[^/]+", re.escape(path)) for path in re.findall("`([^`]+)`", paths)]
        always, _, perhaps = words.partition("sometimes")
        of_cell = [set(re.findall(r"`(\w+)`", part)) for part in (always, perhaps)]
        rows.append(Described(re.compile("|".join(names)), *of_cell))
    return rows


def problems_of_tables(folder: Path) -> list[str]:
    """What is wrong with the tables in the folders of results of a run, in words.

    Parameters
    ----------
    folder : Path
        The data folder.
    """
    rows, found = described(), []
    files = [file for layer in ("07_model_output", "08_reporting") for file in sorted((folder / layer).rglob("*.*"))]
    for file in files:
        name = str(file.relative_to(folder))
        for columns in _headers(file):
            row = next((row for row in rows if row.files.fullmatch(name)), None)
            found += [f"{name}: {problem}" for problem in _problems(columns, row, _names_of_things(file))]
        if file.suffix == ".csv" and file.name not in SCORES:
            found += [f"{name}: {number} has too many digits" for number in _long_numbers(file)]
    return found


def _headers(file: Path) -> Iterator[list[str]]:
    """The columns of a table, of each sheet of a workbook."""
    if file.suffix == ".csv":
        yield list(pd.read_csv(file, nrows=0))
    elif file.suffix == ".parquet":
        yield pq.read_schema(file).names
    elif file.suffix == ".xlsx":
        yield from (list(sheet) for sheet in pd.read_excel(file, sheet_name=None, nrows=0).values())


def _names_of_things(file: Path) -> set[str]:
    """Columns named by types of region, or by the hyperparameters of a search."""
    if "trials" in file.name:
        study = file.with_suffix(".csv" if file.with_suffix(".csv").exists() else ".xlsx")
        columns = list(pd.read_csv(study) if study.suffix == ".csv" else pd.read_excel(study))
        return set(columns[columns.index("Value") + 1 : columns.index("Seconds")])
    report = file.with_name("regions_report.json")
    return {*json.loads(report.read_text())["types"], ALL} if report.exists() else set()


def _problems(columns: list[str], row: Described | None, things: set[str]) -> Iterator[str]:
    named = {name for name in columns if name not in things and not _TOKEN.fullmatch(name)}
    yield from (f"{name} is in another style" for name in sorted(named) if not is_in_style(name))
    if row is None:
        yield "isn't on the page of outputs"
        return
    known = {*row.columns, *row.perhaps}
    for name in sorted(named - known):
        if re.sub("Low$|High$", "", name) not in known and re.sub(r"\d+", "1", name) not in known:
            yield f"{name} isn't on the page of outputs"
    if len(columns) > 1:  # known pairs that aren't found leave a table without columns
        yield from (f"{name}, of the page of outputs, is missing" for name in sorted(row.columns - set(columns)))


def is_in_style(name: str) -> bool:
    """Whether words run together, each with a capital, but for abbreviations in capitals."""
    return bool(_STYLE.fullmatch(name)) and not _IN_LOWER_CASE.search(name)


def _long_numbers(file: Path) -> Iterator[str]:
    """The first number of each column that has more than six significant digits."""
    table = pd.read_csv(file, dtype=str, keep_default_na=False)
    for name in table:
        for value in table[name]:
            if _FLOAT.fullmatch(value):
                digits = value.lstrip("+-").split("e")[0].replace(".", "").lstrip("0")
                if len(digits) > _DIGITS:
                    yield value
                    break
