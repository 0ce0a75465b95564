"""Protein features in HDF5 files of others.

In the layout of the published files a pandas table lies under the key `df`, one row per protein. UniProt offers the
mean vectors of ProtT5 as one dataset per protein (`per-protein.h5`).

A pandas file stores text columns, and attributes that aren't plain text or numbers, as Python pickles, and a pickle
can run code when it is read. So everything is unpickled by an allow-list: plain values and numpy arrays, which is all
that pandas writes for such a table. A file whose pickles name anything else is refused, and none of its code runs.
"""

import errno
import logging
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import pandas as pd
import tables
from kedro.io import DatasetError
from numpy.typing import NDArray

from esm2_amp.errors import InputError
from esm2_amp.files import ending_of, listed, replacing_file, shown
from esm2_amp.io.local import InputFileDataset
from esm2_amp.io.safe_pickles import only_in_pickles
from esm2_amp.progress import Progress
from esm2_amp.protein import TOKENS

logger = logging.getLogger(__name__)

HDF5_ENDINGS: Final = (".h5", ".hdf5", ".hdf")
"""Endings of the feature files that can be read."""

_KEY = "df"
_PREFIX_OF = {token: f"ESM2_{token}_mean" if token.startswith("segment") else f"ESM2_{token}" for token in TOKENS}
_COLUMN = re.compile(rf"({'|'.join(_PREFIX_OF.values())})(0|[1-9]\d*)")
_ROWS_AT_ONCE = 512
_SHOWN_COLUMNS = 5

_ALLOWED_IN_PICKLES = {
    *((f"numpy.{core}.multiarray", name) for core in ("core", "_core") for name in ("_reconstruct", "scalar")),
    ("numpy", "ndarray"),
    ("numpy", "dtype"),
}


class PublishedFeatures(NamedTuple):
    """Features of P proteins as published.

    Attributes
    ----------
    entries : list of str, length P
        Identifiers of the proteins.
    feature : ndarray, shape (P, T, D), float32
        A vector for each of `tokens`.
    tokens : tuple of T str
        The tokens that the file holds, in the order of `TOKENS`.
    """

    entries: list[str]
    feature: NDArray[np.float32]
    tokens: tuple[str, ...] = TOKENS


class PublishedFeaturesDataset(InputFileDataset[PublishedFeatures]):
    """Features of proteins, read in the published layout or as UniProt's mean vectors, written in the published layout.

    That has columns `ESM2_cls{k}`, `ESM2_segment{s}_mean{k}`, `ESM2_eos{k}`, `ESM2_mean{k}`, k from 0 to D − 1, in any
    order and among others; `Entry` as a column or as the index. A file may lack `cls`, `eos`, `mean` or all segments.
    """

    def _read(self, path: Path) -> PublishedFeatures:
        return read_published_features(path)

    def save(self, data: PublishedFeatures) -> None:
        """Write the features in the published layout, under another name until the file is whole."""
        if self._filepath is None:
            raise DatasetError("features are written to a file: a filepath is needed, got None")
        names = [column for token in data.tokens for column in _columns_of(token, data.feature.shape[2])]
        frame = pd.DataFrame(data.feature.reshape(len(data.entries), -1), columns=names, copy=False)
        frame.insert(0, "Entry", data.entries)
        with replacing_file(self._filepath) as part:
            frame.to_hdf(part, key=_KEY, mode="w")
            if not _holds(part, frame):
                raise OSError(errno.ENOSPC, "not all of it could be written; the disk may be full")


def read_published_features(path: Path) -> PublishedFeatures:
    """Features of a file in the published layout, or of one with a mean vector per protein as UniProt offers it.

    Rows are read in parts, so that the peak is little more than the result.

    Parameters
    ----------
    path : Path
        An HDF5 file.

    Raises
    ------
    InputError
        The file is in neither layout, holds pickled code, a protein twice or none, incomplete groups of columns, or
        values that aren't finite numbers.
    """
    ending_of(path, HDF5_ENDINGS)
    name = shown(path)
    if not tables.is_hdf5_file(path):
        raise InputError(f"{name} must be an HDF5 file as its ending says, got other data; check the file")
    with _opened(path) as store:
        keys = [key.removeprefix("/") for key in store.keys()]  # noqa: SIM118 (a store is no dict)
        if _KEY not in keys:
            arrays = store.root._v_leaves
            if keys or not arrays:
                got = ", ".join(keys) or "none"
                raise InputError(f"{name} must hold a table under the key {_KEY!r}, got the keys: {got}; rename it")
            return _read_mean_vectors(name, arrays)
        storer = store.get_storer(_KEY)
        if not storer.pandas_type.startswith("frame"):
            raise InputError(f"{name}: the key {_KEY!r} must hold a DataFrame, got a {storer.pandas_type}")
        rows = storer.nrows if storer.is_table else len(storer.read_index("axis1"))
        if not rows:
            raise InputError(f"{name} must hold at least one protein, got a table without rows")
        tokens, width = _tokens_and_width(name, store.select(_KEY, start=0, stop=0))
        return _read_rows(name, store, rows, tokens, width)


def _holds(path: Path, frame: pd.DataFrame) -> bool:
    """Whether a file can be read back as the table: PyTables closes one on a full disk without an error."""
    try:
        with pd.HDFStore(path, mode="r") as store:
            return all(
                frame[start : start + _ROWS_AT_ONCE].equals(store.select(_KEY, start=start, stop=start + _ROWS_AT_ONCE))
                for start in range(0, len(frame), _ROWS_AT_ONCE)
            )
    except Exception:  # PyTables and pandas raise many kinds for a damaged file
        return False


def _columns_of(token: str, width: int) -> list[str]:
    return [f"{_PREFIX_OF[token]}{k}" for k in range(width)]


def _first_of(columns: list[str]) -> str:
    more = len(columns) - _SHOWN_COLUMNS
    return ", ".join(columns[:_SHOWN_COLUMNS]) + (f" and {more} more" if more > 0 else "")


def _tokens_and_width(name: str, head: pd.DataFrame) -> tuple[tuple[str, ...], int]:
    """Tokens that the columns hold, and D; InputError naming the columns that are missing."""
    if "Entry" not in head and head.index.name != "Entry":
        raise InputError(f"{name} must name the proteins in a column or index 'Entry', got none; add it")
    columns = [str(column) for column in head.columns]
    matches = [match for column in columns if (match := _COLUMN.fullmatch(column))]
    if not matches:
        raise InputError(
            f"{name} must have feature columns as ESM2_cls0 or ESM2_segment0_mean0, got {_first_of(columns)}"
        )
    width = 1 + max(int(match[2]) for match in matches)
    prefixes = {match[1] for match in matches}
    has_segments = any("segment" in prefix for prefix in prefixes)
    tokens = tuple(t for t in TOKENS if _PREFIX_OF[t] in prefixes or (has_segments and t.startswith("segment")))
    have = set(columns)
    problems = []
    for token in tokens:
        missing = [column for column in _columns_of(token, width) if column not in have]
        if missing:
            problems.append(
                f"{name} must have {width} columns {_PREFIX_OF[token]}{{k}} as the widest token has, "
                f"lacks {_first_of(missing)}; export the table again"
            )
    if problems:
        raise listed(name, problems)
    return tokens, width


def _read_rows(name: str, store: Any, rows: int, tokens: tuple[str, ...], width: int) -> PublishedFeatures:
    wanted = [column for token in tokens for column in _columns_of(token, width)]
    feature = np.empty((rows, len(tokens), width), dtype=np.float32)
    entries: list[str] = []
    problems: list[str] = []
    for start in range(0, rows, _ROWS_AT_ONCE):
        part = store.select(_KEY, start=start, stop=start + _ROWS_AT_ONCE)
        entries += ["" if pd.isna(entry) else str(entry) for entry in part.get("Entry", part.index)]
        part = part[wanted]
        if other := [column for column, kind in part.dtypes.items() if kind.kind not in "fiu"]:
            raise InputError(f"{name} must hold numbers in its feature columns, got others in {_first_of(other)}")
        values = part.to_numpy(dtype=np.float32)
        problems += _not_finite(name, entries[start:], values, wanted)
        feature[start : start + len(part)] = values.reshape(len(part), len(tokens), width)
    problems += [f"{name} row {i}: Entry must name a protein, got none" for i, e in enumerate(entries, 1) if not e]
    return _checked(name, PublishedFeatures(entries, feature, tokens), problems)


def _read_mean_vectors(name: str, arrays: Mapping[str, Any]) -> PublishedFeatures:
    """Mean vectors of a file with a dataset per protein, named by its accession or by an attribute `original_id`.

    UniProt offers those of ProtT5 so, and bio_embeddings writes those of any model.
    """
    shape = tuple(map(int, next(iter(arrays.values())).shape))
    if len(shape) == 2:  # noqa: PLR2004
        raise InputError(
            f"{name} holds a vector for each residue of a protein, as UniProt's per-residue.h5 does (the first has the "
            f"shape {shape}), but models read mean vectors, of whole proteins or of ten segments; give the file of "
            "mean vectors (per-protein.h5), which ESM2_DPM reads, or the sequences as --params=proteins=FILE, which "
            "ESM-2 then embeds"
        )
    feature = np.empty((len(arrays), 1, *shape), dtype=np.float32)
    entries, progress = [], Progress(logger, "reading mean vectors", len(arrays))
    for row, (key, array) in enumerate(arrays.items()):
        if array.shape != shape or len(shape) != 1 or array.dtype.kind not in "fiu":
            raise InputError(
                f"{name} has no table {_KEY!r}, so each of its datasets must be the mean vector of a protein, all of "
                f"one width, but {key} holds {array.dtype} of the shape {tuple(map(int, array.shape))}, and the first "
                f"has the shape {shape}; leave it out, or give a file in the published layout"
            )
        entries.append(str(getattr(array.attrs, "original_id", key)))
        feature[row, 0] = array.read()
        progress.add(1)
    problems = _not_finite(name, entries, feature[:, 0], [f"position {k}" for k in range(*shape)])
    return _checked(name, PublishedFeatures(entries, feature, ("mean",)), problems)


def _checked(name: str, features: PublishedFeatures, problems: list[str]) -> PublishedFeatures:
    """The features, unless there are problems or a protein stands among them twice."""
    index = pd.Index(entry for entry in features.entries if entry)
    for entry in index[index.duplicated()].unique():
        problems.append(f"{name}: Entry {entry!r} must stand in one row, has several; drop all but one")
    if problems:
        raise listed(name, problems)
    return features


def _not_finite(name: str, entries: list[str], values: NDArray[np.float32], columns: list[str]) -> list[str]:
    problems = []
    wrong = ~np.isfinite(values)
    for i in np.flatnonzero(wrong.any(axis=1)):
        at = np.flatnonzero(wrong[i])
        where = _first_of([columns[k] for k in at])
        problems.append(
            f"{name}: Entry {entries[i]!r} must have finite numbers, got {values[i, at[0]]} in {where}; "
            "embed this protein again or drop it"
        )
    return problems


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """An HDF5 file open for reading by pandas, its pickles held to the allow-list."""
    with only_in_pickles(_ALLOWED_IN_PICKLES) as refused:
        try:
            with pd.HDFStore(path, mode="r") as store:
                yield store
        except Exception as error:  # PyTables and pandas raise many kinds for a damaged file
            if not refused and not isinstance(error, InputError):
                reason = str(error).strip().splitlines()[-1]
                raise InputError(f"{shown(path)} can't be read as an HDF5 file ({reason}); fetch it again") from error
            if not refused:
                raise
    # PyTables takes an attribute that it can't unpickle for text, so a refusal need not have stopped the reading.
    if refused:
        raise InputError(
            f"{shown(path)} must hold only numbers and text, but would run {refused[0]} when read; "
            "nothing of it was run: do not use this file"
        )
