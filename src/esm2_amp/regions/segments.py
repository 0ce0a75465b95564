"""The segments of each pair that a model found most and least important, as one tidy table."""

import re
from collections.abc import Mapping
from typing import Final

import numpy as np
import pandas as pd

from esm2_amp.errors import InputError
from esm2_amp.files import SourceTable, listed
from esm2_amp.names import protein_name
from esm2_amp.protein import SIDES

SELECTIONS: Final = ("Top", "Low")
"""The most and the least important segments of a pair."""

GROUP_NAMES: Final = {
    "1-1": "interacting, called interacting",
    "1-0": "interacting, called not interacting",
    "0-1": "not interacting, called interacting",
    "0-0": "not interacting, called not interacting",
}
"""Groups of pairs by label and decision, and what they are called."""

SHEET_NAMES: Final = {
    "1-1": "true positives",
    "1-0": "false negatives",
    "0-1": "false positives",
    "0-0": "true negatives",
}
"""Shorter names of the groups, for sheets of a workbook."""

UNLABELLED: Final = "unlabelled"
"""The group of pairs whose labels aren't known."""

SEGMENT_COLUMNS: Final = (
    "Pair", "Protein1", "Protein2", "Group", "Selection", "Rank", "Token", "Protein", "Segment", "Importance",
)  # fmt: skip

_TOKEN = re.compile(rf"([{SIDES}])_segment([0-9])")


def rank_segments(importance: pd.DataFrame, ranks: int) -> pd.DataFrame:
    """The segments of highest and of lowest importance of each explained pair.

    Parameters
    ----------
    importance : DataFrame, B rows
        `Protein1`, `Protein2`, `Label` where it is known, `Prediction` and a column per token, of which only segments
        are ranked.
    ranks : int
        How many segments of each pair are top, and how many low.

    Returns
    -------
    segments : DataFrame
        `SEGMENT_COLUMNS`: all top segments by pair and rank, then all low ones. `Pair` numbers the pairs from 0; `Rank`
        1 is the highest of `Top` and the lowest of `Low`; `Segment` is 0-based. Equal importances keep the order of the
        tokens.

    Raises
    ------
    InputError
        The table has too few segments, or an importance is not a finite number.
    """
    tokens = [name for name in importance.columns if _TOKEN.fullmatch(name)]
    if len(tokens) < 2 * ranks:
        raise InputError(
            f"The importance table must have at least {2 * ranks} columns such as A_segment0, got {len(tokens)}; "
            "explain a model that reads segments, or lower functional_regions.ranks"
        )
    values = importance[tokens].to_numpy(np.float64)
    if not np.isfinite(values).all():
        pair = importance.loc[~np.isfinite(values).all(axis=1), ["Protein1", "Protein2"]].iloc[0]
        raise InputError(
            f"Every importance must be a finite number, got another value for the pair {'-'.join(pair)}; explain the "
            "pairs again"
        )
    order = {"Top": np.argsort(-values, axis=1, kind="stable"), "Low": np.argsort(values, axis=1, kind="stable")}
    group = _groups_of(importance)
    parts = []
    for selection in SELECTIONS:
        chosen = order[selection][:, :ranks]
        of_chosen = np.take_along_axis(values, chosen, axis=1)
        parts.append(_segment_rows(importance, np.array(tokens)[chosen], selection, group, of_chosen))
    return pd.concat(parts, ignore_index=True)


def _groups_of(pairs: pd.DataFrame) -> pd.Series:
    """Label and decision of each pair, or `UNLABELLED`."""
    if "Label" not in pairs:
        return pd.Series(UNLABELLED, index=pairs.index)
    label = pairs["Label"].astype("Int64")
    group = label.astype("str") + "-" + pairs["Prediction"].astype("int64").astype("str")
    return group.where(label.notna(), UNLABELLED)


def read_segments(tables: Mapping[str, SourceTable], ranks: int, group: str | None) -> pd.DataFrame:
    """Segments from tables in the published layout.

    Parameters
    ----------
    tables : mapping of SourceTable
        For each selection `ProteinA`, `ProteinB` and the tokens at its ranks (`TOP1` … or `Low1` …), perhaps `Label`
        and `Prediction`; index `row`.
    ranks : int
        How many ranks are read of each table.
    group : str, optional
        The group of all pairs, where the tables don't hold labels and decisions.

    Returns
    -------
    segments : DataFrame
        The table that `rank_segments` makes; its importances are NaN. Proteins have the names of `protein_name`.

    Raises
    ------
    InputError
        A rank is missing, a cell doesn't name a segment, or the group isn't known.
    """
    parts = []
    for selection, table in tables.items():
        names = [f"{selection}{rank}" for rank in range(1, ranks + 1)]
        if missing := [name for name in names if name not in table.frame]:
            raise InputError(
                f"{table.file} must have the columns {', '.join(names)}, lacks {', '.join(missing)}; "
                "add them or lower functional_regions.ranks"
            )
        pairs = table.frame.rename(columns={"ProteinA": "Protein1", "ProteinB": "Protein2"})
        pairs = pairs.assign(**{name: pairs[name].str.strip() for name in ("Protein1", "Protein2", *names)})
        pairs = pairs.assign(**{name: pairs[name].map(protein_name) for name in ("Protein1", "Protein2")})
        _check_cells(table.file, pairs, names)
        tokens = pairs[names].to_numpy()
        parts.append(_segment_rows(pairs, tokens, selection, _groups(table, group), np.full(tokens.shape, np.nan)))
    return pd.concat(parts, ignore_index=True)


def keep_group(segments: pd.DataFrame, group: str) -> pd.DataFrame:
    """Segments of one group's pairs, or of all pairs.

    Parameters
    ----------
    segments : DataFrame
        The table of `rank_segments`.
    group : str
        One of `GROUP_NAMES`, or `all`.

    Returns
    -------
    segments : DataFrame
        Rows of the group's pairs.

    Raises
    ------
    InputError
        The group has no pairs.
    """
    if group == "all":
        return segments
    kept = segments[segments["Group"] == group]
    if kept.empty:
        counts = segments.groupby("Group")["Pair"].nunique()
        present = ", ".join(f"{name} ({number})" for name, number in counts.items())
        raise InputError(f"group must be one that has pairs, got {group!r}; there are {present}")
    return kept.reset_index(drop=True)


def by_size(segments: pd.DataFrame, fewest: int) -> tuple[pd.DataFrame, pd.Series]:
    """Groups that have enough pairs to be tested and drawn, and the sizes of the others.

    Parameters
    ----------
    segments : DataFrame
        The table of `rank_segments`.
    fewest : int
        Pairs that a group must have.

    Returns
    -------
    large : DataFrame
        Rows of `segments` of the groups that have so many.
    small : Series of int
        Pairs of each other group, by its name.
    """
    pairs = segments.groupby(["Group", "Selection"])["Pair"].nunique().groupby("Group").max()
    small = pairs[pairs < fewest]
    return segments[~segments["Group"].isin(small.index)], small


def group_in_words(group: str) -> str:
    """A group of pairs by what is known of them and what they are called."""
    return GROUP_NAMES.get(group, group)


def _segment_rows(
    pairs: pd.DataFrame, tokens: np.ndarray, selection: str, group: pd.Series, importance: np.ndarray
) -> pd.DataFrame:
    """A row for each token of one selection; tokens and importances have the shape (B, ranks)."""
    n_pairs, ranks = tokens.shape
    pair = np.repeat(np.arange(n_pairs), ranks)
    token = pd.Series(tokens.ravel()).astype("str")
    first, second = (pairs[name].to_numpy()[pair] for name in ("Protein1", "Protein2"))
    columns = (
        pair, first, second, group.to_numpy()[pair], selection, np.tile(np.arange(1, ranks + 1), n_pairs), token,
        np.where(token.str[0] == SIDES[0], first, second), token.str[-1].astype("int64"), importance.ravel(),
    )  # fmt: skip
    return pd.DataFrame(dict(zip(SEGMENT_COLUMNS, columns, strict=True)))


def _check_cells(file: str, table: pd.DataFrame, names: list[str]) -> None:
    problems = [
        f"{file} row {row}: {name} must name a segment such as A_segment0, got {cell!r}; correct it"
        for name in names
        for row, cell in table.loc[~table[name].str.fullmatch(_TOKEN.pattern), name].items()
    ]
    problems += [
        f"{file} row {row}: {name} must name a protein, got an empty cell; give its id"
        for name in ("Protein1", "Protein2")
        for row in table.index[table[name] == ""]
    ]
    if problems:
        raise listed(file, problems)


def _groups(table: SourceTable, group: str | None) -> pd.Series:
    frame = table.frame
    if {"Label", "Prediction"} <= set(frame.columns):
        return frame["Label"].str.strip() + "-" + frame["Prediction"].str.strip()
    if group is None:
        raise InputError(
            f"{table.file} has no columns Label and Prediction, so its group must be given: "
            f"--params=group=GROUP, one of {', '.join(GROUP_NAMES)} (label-decision)"
        )
    return pd.Series(group, index=frame.index)
