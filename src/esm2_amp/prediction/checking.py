"""A pair file checked in one pass, some rows at a time, and its names found among the proteins."""

import logging
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import BinaryIO, Final, NamedTuple, Protocol, cast

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from esm2_amp.files import Problems, SourceBlocks, SourceTable
from esm2_amp.names import protein_name
from esm2_amp.validation.cells import cell_problems, is_illegal_name, placed
from esm2_amp.validation.pairs import LABELS, PAIRS, PARTNERS, Lacking, find_proteins

logger = logging.getLogger(__name__)

ROWS_AT_ONCE: Final = 1 << 16
"""Pairs that are written at a time, and read again."""

NO_LABEL: Final = -1
"""In the place of a label that is neither 0 nor 1."""

_KEYS_AT_ONCE: Final = 1 << 21
"""Pairs among which duplicates are looked for at a time, about."""


class PairRows(NamedTuple):
    """Some checked pairs.

    Attributes
    ----------
    a, b : ndarray, shape (r,), int32
        The partners as numbers of names.
    label : ndarray, shape (r,), int8, optional
        0, 1 or `NO_LABEL`; None where the file has no labels.
    """

    a: NDArray[np.int32]
    b: NDArray[np.int32]
    label: NDArray[np.int8] | None = None

    def cut(self, rows: int) -> Iterator["PairRows"]:
        """The same pairs, no more than so many at a time."""
        for start in range(0, len(self.a), rows):
            at = slice(start, start + rows)
            yield PairRows(self.a[at], self.b[at], None if self.label is None else self.label[at])


class CheckedPairs(Protocol):
    """Pairs that were checked, as `esm2_amp.io.checked_pairs.CheckedPairsDataset` saves and loads them."""

    file: str
    """Where they come from, for messages."""

    @property
    def names(self) -> Sequence[str]:
        """Names in the file without the blanks around them, each once, in order of first appearance."""

    @property
    def report(self) -> dict[str, int]:
        """Counts as in the report of `esm2_amp.validation.pairs.clean_pairs`."""

    def parts(self) -> Iterator[PairRows]:
        """All pairs in their order, `ROWS_AT_ONCE` or fewer at a time."""


class AllPairs:
    """All pairs of different proteins, in their order, as `CheckedPairs`.

    Parameters
    ----------
    entries : sequence of str
        The proteins, each once.
    """

    def __init__(self, entries: Sequence[str]) -> None:
        self.file, self.names = "all pairs", entries
        self.report = {"read": 0, "kept": len(entries) * (len(entries) - 1) // 2}

    def parts(self) -> Iterator[PairRows]:
        """Pairs, some at a time."""
        numbers = np.arange(len(self.names), dtype=np.int32)
        ends = np.cumsum(numbers[:0:-1], dtype=np.int64)
        for firsts in np.split(numbers[:-1], np.flatnonzero(np.diff(ends // ROWS_AT_ONCE)) + 1):
            others = [numbers[first + 1 :] for first in firsts]
            yield from PairRows(np.repeat(firsts, [len(of) for of in others]), np.concatenate(others)).cut(ROWS_AT_ONCE)


class PairCheck:
    """The pairs of a file, which are checked as they are read; `names` and `report` are complete when `parts` ends.

    Parameters
    ----------
    blocks : SourceBlocks
        `Protein1`, `Protein2` and perhaps `Label`, which isn't needed, and not checked.

    Attributes
    ----------
    file, names, report
        Those of `CheckedPairs`.
    """

    def __init__(self, blocks: SourceBlocks) -> None:
        self.file, self._blocks = blocks.file, blocks
        self.names, self.report = list[str](), dict[str, int]()
        self._number, self._own_number = dict[str, int](), dict[str, int]()
        self._own, self._illegal = list[int](), list[bool]()
        self._unlabelled = ""

    def parts(self) -> Iterator[PairRows]:
        """All pairs in their order, `ROWS_AT_ONCE` or fewer at a time.

        Raises
        ------
        InputError
            At the end, for all names that are missing or illegal; or the file can't be read.
        """
        problems, count = Problems(self.file), Counter[str]()
        with tempfile.TemporaryFile() as keys:
            for block in self._blocks:
                rows = self._read(block, count)
                problems.add(self._problems(block, rows))
                keys.write(self._keys(rows, count).tobytes())
                yield from rows.cut(ROWS_AT_ONCE)
            problems.raise_any()
            self._complete(count, *_count_duplicates(cast("BinaryIO", keys), count["read"]))

    def _read(self, block: SourceTable, count: Counter[str]) -> PairRows:
        """The pairs of a block, counted."""
        codes, written = pd.factorize(pd.concat([block.frame[name] for name in PARTNERS]))
        codes, stripped = codes.reshape(2, -1), written.str.strip()
        spaced, label = np.logical_or(*np.asarray(stripped != written)[codes]), None
        if "Label" in block.frame:
            of_rows, texts = pd.factorize(block.frame["Label"])
            spaced |= np.asarray(texts.str.strip() != texts)[of_rows]
            label = self._labels(texts.str.strip(), of_rows, count)
        count.update(read=len(spaced), blank_rows_skipped=block.blank_rows, white_space_removed=int(spaced.sum()))
        row_by_row = pd.unique(codes.T.ravel())
        for name in stripped[row_by_row]:
            self._add(name)
        numbers = np.array([self._number[name] for name in stripped], dtype=np.int32)
        a, b = numbers[codes]
        return PairRows(a, b, label)

    def _add(self, name: str) -> None:
        """Give a name its number, if it has none."""
        if name not in self._number:
            own = protein_name(name)
            self._number[name] = len(self.names)
            self.names.append(name)
            self._own.append(self._own_number.setdefault(own, len(self._own_number)))
            self._illegal.append(is_illegal_name(own))

    def _labels(self, texts: pd.Index, codes: NDArray[np.int64], count: Counter[str]) -> NDArray[np.int8]:
        """The labels that the numbers of texts stand for, counted."""
        labels = np.array([LABELS.get(text, NO_LABEL) for text in texts], dtype=np.int8)
        found = labels[codes]
        count.update(positives=int((found == 1).sum()), negatives=int((found == 0).sum()))
        if (missing := found == NO_LABEL).any():
            self._unlabelled = self._unlabelled if count["unlabelled"] else texts[codes[missing.argmax()]]
            count["unlabelled"] += int(missing.sum())
        return found

    def _problems(self, block: SourceTable, rows: PairRows) -> list[str]:
        illegal = np.array(self._illegal)
        if not (wrong := illegal[rows.a] | illegal[rows.b]).any():
            return []
        table = block.frame.loc[wrong, list(PARTNERS)]
        own = table.apply(lambda column: column.str.strip().map(protein_name).astype("str"))
        return placed(block, cell_problems(PAIRS, own))

    def _keys(self, rows: PairRows, count: Counter[str]) -> NDArray[np.int64]:
        """A number for each pair, which that of the same two proteins has, too, but for its last bit: their order."""
        own = np.array(self._own, dtype=np.int64)
        a, b = own[rows.a], own[rows.b]
        count["self_pairs"] += int((a == b).sum())
        return (np.minimum(a, b) << 32 | np.maximum(a, b) << 1) | (a > b)

    def _complete(self, count: Counter[str], duplicates: int, swapped: int) -> None:
        names = ("blank_rows_skipped", "white_space_removed", "names_matched", "of_dropped_proteins", "self_pairs")
        self.report = {"read": count["read"], "kept": count["read"], **{name: count[name] for name in names}}
        self.report |= {"duplicates": duplicates, "swapped_duplicates": swapped}
        if "Label" in self._blocks.columns:
            self.report |= {name: count[name] for name in ("positives", "negatives")}
        if count["unlabelled"]:
            logger.warning(
                "%s: %s labels are neither 0 nor 1, such as %r; they are left empty",
                self.file, f"{count['unlabelled']:,}", self._unlabelled,
            )  # fmt: skip


def _count_duplicates(keys: BinaryIO, total: int) -> tuple[int, int]:
    """How many pairs stand below the first of the same proteins, and how many of these the other way round than it."""
    shares, duplicates, swapped = -(-total // _KEYS_AT_ONCE), 0, 0
    for share in range(shares):
        keys.seek(0)
        chosen = np.concatenate([
            part[(part >> 1) % shares == share]
            for data in iter(lambda: keys.read(8 << 20), b"")
            for part in [np.frombuffer(data, np.int64)]
        ])  # fmt: skip
        chosen = chosen[np.argsort(chosen >> 1, kind="stable")]  # those of the same proteins in their order
        begins = np.diff(chosen >> 1, prepend=-1) != 0
        first = chosen[begins][np.cumsum(begins) - 1]
        duplicates += int((~begins).sum())
        swapped += int((chosen != first).sum())
    return duplicates, swapped


@dataclass(frozen=True)
class FoundProteins:
    """The proteins that the names of pairs mean.

    Attributes
    ----------
    table : DataFrame
        A row for each of the names: `Name`; `Entry`, the protein, or an empty text where there is none; `LeftOut`, what
        is wrong with that protein where it was left out, or an empty text.
    """

    table: pd.DataFrame

    @cached_property
    def is_known(self) -> NDArray[np.bool_]:
        """Whether each name means a protein that is there: shape (names,)."""
        return (self.table["Entry"] != "").to_numpy(bool)

    @cached_property
    def lacking(self) -> Lacking:
        """The names that mean none."""
        name, left_out = (self.table.loc[~self.is_known, column].tolist() for column in ("Name", "LeftOut"))
        words = {key: why for key, why in zip(name, left_out, strict=True) if why}
        return Lacking({key: key for key in name if key not in words}, words)

    def can_be_scored(self, rows: PairRows) -> NDArray[np.bool_]:
        """Of which pairs both proteins are there: shape (r,)."""
        return self.is_known[rows.a] & self.is_known[rows.b]

    def rows_among(self, entries: Sequence[str]) -> tuple[list[int], NDArray[np.int64]]:
        """Where the vectors of the proteins are.

        Parameters
        ----------
        entries : sequence of str
            All proteins that have vectors.

        Returns
        -------
        used : list of int
            The rows among these of the proteins that are named.
        rows : ndarray, shape (names,), int64
            The place in `used` of each name's protein; -1 where there is none.
        """
        at = pd.Index(entries).get_indexer(pd.Index(self.table["Entry"]))
        used = np.unique(at[at >= 0])
        return used.tolist(), np.where(at >= 0, np.searchsorted(used, at), -1)


def match_proteins(
    pairs: CheckedPairs, entries: Sequence[str], dropped: pd.DataFrame | None = None
) -> tuple[FoundProteins, NDArray[np.bool_]]:
    """The proteins that the names of pairs mean, and which of the names are in pairs that can be scored.

    Parameters
    ----------
    pairs : CheckedPairs
        All of them.
    entries : sequence of str
        The proteins there are.
    dropped : DataFrame, optional
        `Entry` and `Problem` of the proteins that were left out.

    Raises
    ------
    InputError
        Every pair lacks a protein.
    """
    entry, lacking = find_proteins(pairs.names, entries, pairs.file, dropped)
    columns = {"Name": {name: name for name in pairs.names}, "Entry": entry, "LeftOut": lacking.left_out}
    table = {column: [found.get(name, "") for name in pairs.names] for column, found in columns.items()}
    proteins, n_lacking = FoundProteins(pd.DataFrame(table, dtype="str")), 0
    is_used = np.zeros(len(pairs.names), bool)
    for rows in pairs.parts():
        known = proteins.can_be_scored(rows)
        is_used[rows.a[known]] = is_used[rows.b[known]] = True
        n_lacking += int((~known).sum())
    lacking.log(n_lacking, pairs.report["kept"], pairs.file, entries)
    return proteins, is_used
