"""What a cell must hold, and one error for everything wrong with a file."""

import re
from collections.abc import Callable, Sequence

import pandas as pd
import pandera.pandas as pa

from esm2_amp.errors import InputError
from esm2_amp.files import SourceTable, listed

Problem = tuple[int, str]
"""A row of the file, and what is wrong there."""

# White space, control characters and characters that can't be seen. Spelt out: pandas' regular expressions (RE2 or
# Python's, as the column is stored) differ in what \s is.
_ILLEGAL_IN_ID = "[\x01-\x20\x7f-\xa0\u2000-\u200f\u2028-\u202f\u2060\u3000\ufeff]"


def id_column() -> pa.Column:
    """A column of names of proteins."""
    return pa.Column(
        "str",
        [
            pa.Check(lambda ids: ids != "", error="must name a protein, got an empty cell; give its id"),
            pa.Check(
                lambda ids: ~ids.str.contains(_ILLEGAL_IN_ID),
                error="{value} must not hold blanks or control characters; remove them",
            ),
        ],
    )


def is_illegal_name(name: str) -> bool:
    """Whether a name of a protein is empty or holds what `id_column` refuses."""
    return not name or re.search(_ILLEGAL_IN_ID, name) is not None


def cell_problems(
    schema: pa.DataFrameSchema, table: pd.DataFrame, words: dict[str, Callable[[str], str]] | None = None
) -> list[Problem]:
    """What is wrong with the cells of a table.

    Parameters
    ----------
    schema : DataFrameSchema
        The error of a check may name the wrong `{value}`.
    table : DataFrame of str
        The index numbers the rows of the file.
    words : dict of callable, optional
        For columns whose wrong values aren't quoted whole: what the message names in their place.
    """
    try:
        schema.validate(table, lazy=True)
    except pa.errors.SchemaErrors as errors:
        cases = errors.failure_cases[["index", "column", "check", "failure_case"]]
        return [
            (row, f"{column} {check.format(value=(words or {}).get(column, repr)(value))}")
            for row, column, check, value in cases.itertuples(index=False)
        ]
    return []


def all_problems(raw: SourceTable, problems: Sequence[Problem], remedy: str = "") -> InputError:
    """One error for all problems of a file, in the order of its rows.

    Parameters
    ----------
    raw : SourceTable
        The file.
    problems : sequence of (int, str)
        Rows and what is wrong there.
    remedy : str
        What else can be done about them, in a line of its own.
    """
    error = listed(raw.file, placed(raw, problems))
    return InputError(f"{error}\n{remedy}") if remedy else error


def placed(raw: SourceTable, problems: Sequence[Problem]) -> list[str]:
    """Problems of a file in words that name their places, in the order of its rows."""
    place = raw.frame.index.name or "row"
    ordered = sorted(problems, key=lambda problem: problem[0])
    return [f"{raw.file} {place} {row}: {problem}" for row, problem in ordered]
