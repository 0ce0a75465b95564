"""Proteins and pairs that a program or notebook holds, checked as if they had been read from files."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from esm2_amp.errors import InputError
from esm2_amp.features import ProteinFeatures
from esm2_amp.files import SourceTable
from esm2_amp.io.pairs import PairsDataset
from esm2_amp.io.proteins import ProteinsDataset
from esm2_amp.parameters.feature_extraction import ExtractionParameters
from esm2_amp.pipelines.feature_extraction.nodes import check_proteins
from esm2_amp.validation.pairs import clean_pairs

Proteins = pd.DataFrame | Mapping[str, str] | str | Path | ProteinFeatures
"""A table with `Entry` and `Sequence`, sequences by id, a file, or features that were extracted before."""

Pairs = pd.DataFrame | Iterable[Sequence[Any]] | str | Path
"""A table with `Protein1`, `Protein2` and perhaps `Label`, rows of these, or a file."""


def checked_proteins(proteins: Proteins, parameters: ExtractionParameters) -> pd.DataFrame | ProteinFeatures:
    """Proteins as `check_proteins` passes them on; features as they are."""
    if isinstance(proteins, ProteinFeatures):
        return proteins
    if isinstance(proteins, str | Path):
        return check_proteins(ProteinsDataset(str(Path(proteins).expanduser())).load(), parameters)[0]
    if isinstance(proteins, Mapping):
        proteins = pd.DataFrame({"Entry": list(proteins.keys()), "Sequence": list(proteins.values())})
    if not isinstance(proteins, pd.DataFrame):
        raise InputError(
            f"proteins must be a DataFrame, a dict of sequences by id, or a path, got {type(proteins).__name__}; "
            "give a dict such as {'P01308': 'MALWMR'}"
        )
    return check_proteins(_source_table(proteins, "proteins", ("Entry", "Sequence")), parameters)[0]


def entries_of(proteins: pd.DataFrame | ProteinFeatures) -> list[str]:
    """Names of the proteins."""
    return proteins.entries if isinstance(proteins, ProteinFeatures) else proteins["Entry"].tolist()


def known_pairs(pairs: Pairs, entries: list[str], name: str) -> pd.DataFrame:
    """Pairs as `clean_pairs` passes them on, every one of them; an error calls them by a name."""
    table, _ = clean_pairs(
        pair_table(pairs, name),
        entries,
        self_pairs="keep",
        duplicate_pairs="keep",
        labels="optional",
        protein_source="proteins",
    )
    return table


def pair_table(pairs: Pairs, name: str) -> SourceTable:
    """Pairs as a dataset of them loads."""
    if isinstance(pairs, str | Path):
        table = PairsDataset(str(Path(pairs).expanduser())).load()
        assert table is not None  # a dataset with a path loads a table
        return table
    frame = pairs if isinstance(pairs, pd.DataFrame) else pd.DataFrame(list(pairs))
    columns = ["Protein1", "Protein2", "Label"]
    if not isinstance(pairs, pd.DataFrame):
        if frame.shape[1] not in (0, 2, 3):
            raise InputError(
                f"{name} must be rows of Protein1, Protein2 and perhaps Label, got {frame.shape[1]} values in a row; "
                "give tuples such as ('P01308', 'P0DP23')"
            )
        frame = frame.set_axis(columns[: frame.shape[1]], axis=1)
    return _source_table(frame, name, columns[:2], columns[2:])


def _source_table(frame: pd.DataFrame, name: str, required: Sequence[str], optional: Sequence[str] = ()) -> SourceTable:
    """A table in memory as text, as if it had been read from a file of that name; rows are counted from 0."""
    if frame.empty:
        raise InputError(f"{name} must have at least one row, got none; check how the data was selected")
    if missing := [column for column in required if column not in frame]:
        raise InputError(
            f"{name} must have the columns {', '.join(required)}, lacks {', '.join(missing)}, got "
            f"{', '.join(map(repr, frame.columns))}; add or rename columns"
        )
    text = frame[[column for column in (*required, *optional) if column in frame]].reset_index(drop=True)
    return SourceTable(text.map(_as_text).astype("str").rename_axis("row"), name)


def _as_text(value: object) -> str:
    return "" if value is None or value is pd.NA or value != value else str(value)  # noqa: PLR0124 - only NaN differs
