"""How much of each segment of a protein lies in annotated regions, counted residue by residue."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from esm2_amp.protein import segment_bounds
from esm2_amp.regions.types import ALL

Integers = NDArray[np.int64]
Flags = NDArray[np.bool_]


class Coverage(NamedTuple):
    """Annotated residues in the segments of P proteins by K types, the last of which is `ALL`.

    Attributes
    ----------
    entries : list of str
        The proteins.
    types : list of str
        The types, `ALL` last.
    lengths : ndarray, shape (P,), int64
        Residues of each protein.
    annotated : ndarray, shape (K, sum of lengths), bool
        Whether a residue is in a region of a type, the proteins laid end to end.
    covered : ndarray, shape (P, 10, K), int64
        Annotated residues in each segment.
    residues : ndarray, shape (P, 10), int64
        Residues in each segment.
    """

    entries: list[str]
    types: list[str]
    lengths: Integers
    annotated: Flags
    covered: Integers
    residues: Integers

    @property
    def fraction(self) -> NDArray[np.float64]:
        """Covered share of each segment, shape (P, 10, K); 0 of a segment without residues."""
        return np.asarray(self.covered / self.residues.clip(1)[..., None])

    def annotated_types(self) -> "Coverage":
        """The coverage without the types that no protein is annotated with; `ALL` stays."""
        kept = np.append(self.annotated[:-1].any(axis=1), True)
        types = [name for name, keep in zip(self.types, kept, strict=True) if keep]
        return self._replace(types=types, annotated=self.annotated[kept], covered=self.covered[..., kept])


def coverage(regions: pd.DataFrame, entries: Sequence[str], lengths: ArrayLike, types: Sequence[str]) -> Coverage:
    """Count the annotated residues of all segments at once.

    Parameters
    ----------
    regions : DataFrame
        `Entry`, `Type`, `Start`, `End` (1-based, inclusive), all within the proteins. Those of other proteins and types
        are not counted.
    entries : sequence of str
        The proteins, each once.
    lengths : array_like of int, shape (P,)
        Residues of each protein.
    types : sequence of str
        The types to count, without `ALL`.

    Returns
    -------
    measured : Coverage
        Coverage of the proteins by the types, both in the order given.
    """
    lengths = np.asarray(lengths, dtype=np.int64)
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    rows = pd.Series(np.arange(len(entries)), index=pd.Index(entries))
    row = regions["Entry"].map(rows)
    known = regions[row.notna()]
    first = offsets[row[row.notna()].to_numpy(np.int64)] + known["Start"].to_numpy(np.int64) - 1
    last = first + (known["End"] - known["Start"]).to_numpy(np.int64)
    kind = known["Type"].to_numpy()
    annotated = np.empty((len(types) + 1, offsets[-1]), dtype=bool)
    for k, name in enumerate(types):
        annotated[k] = _in_any(first[kind == name], last[kind == name], int(offsets[-1]))
    annotated[-1] = annotated[:-1].any(axis=0)
    bounds = offsets[:-1, None] + segment_bounds(lengths)
    covered = np.stack([np.diff(_before(flags)[bounds], axis=1) for flags in annotated], axis=-1)
    return Coverage(list(entries), [*types, ALL], lengths, annotated, covered, np.diff(bounds, axis=1))


def measure(regions: pd.DataFrame, proteins: pd.DataFrame, report: Mapping[str, Any]) -> Coverage:
    """Coverage of all segments of the proteins that regions were looked up for.

    Parameters
    ----------
    regions : DataFrame
        `Entry`, `Type`, `Start`, `End` (1-based, inclusive).
    proteins : DataFrame
        `Entry` and `Length`.
    report : mapping
        The report of `PlacedRegions`, which names the `types`.

    Returns
    -------
    measured : Coverage
        Coverage of the proteins by the types, both in their order.
    """
    return coverage(regions, proteins["Entry"].tolist(), proteins["Length"].to_numpy(), report["types"])


def chosen_coverage(segments: pd.DataFrame, measured: Coverage) -> tuple[Integers, Integers]:
    """Residues of ranked segments.

    Parameters
    ----------
    segments : DataFrame, S rows
        Rows of `rank_segments`.
    measured : Coverage
        Coverage of all segments of the proteins by K types.

    Returns
    -------
    covered : ndarray, shape (S, K), int64
        Annotated residues by type.
    residues : ndarray, shape (S,), int64
        All residues.
    """
    row = protein_rows(segments, measured)
    segment = segments["Segment"].to_numpy(np.int64)
    return measured.covered[row, segment], measured.residues[row, segment]


def protein_rows(segments: pd.DataFrame, measured: Coverage) -> Integers:
    """Where the proteins of ranked segments stand.

    Parameters
    ----------
    segments : DataFrame, S rows
        Rows of `rank_segments`.
    measured : Coverage
        Coverage of their proteins.

    Returns
    -------
    rows : ndarray, shape (S,), int64
        Places among the entries of `measured`, 0-based.
    """
    return np.asarray(pd.Index(measured.entries).get_indexer(pd.Index(segments["Protein"])), dtype=np.int64)


def coverage_table(segments: pd.DataFrame, measured: Coverage) -> pd.DataFrame:
    """Ranked segments with their residues and coverage.

    Parameters
    ----------
    segments : DataFrame
        The table of `rank_segments`.
    measured : Coverage
        Coverage of all segments of the proteins.

    Returns
    -------
    table : DataFrame
        Columns of `segments`, then `Start` and `End` (1-based, inclusive), and the coverage by each type in percent.
    """
    row, segment = protein_rows(segments, measured), segments["Segment"].to_numpy(np.int64)
    bounds = segment_bounds(measured.lengths)[row]
    places = np.arange(len(row))
    percent = 100 * measured.fraction[row, segment]
    table = segments.assign(Start=bounds[places, segment] + 1, End=bounds[places, segment + 1])
    return table.join(pd.DataFrame(percent, columns=measured.types, index=segments.index))


def _in_any(first: Integers, last: Integers, n_residues: int) -> Flags:
    """Whether each residue is in an interval: intervals open at their first residue and close after their last."""
    change = np.zeros(n_residues + 1, dtype=np.int32)
    np.add.at(change, first, 1)
    np.add.at(change, last + 1, -1)
    return np.cumsum(change[:-1], dtype=np.int32) > 0


def _before(flags: Flags) -> Integers:
    """How many flags are set before each place and before the end."""
    return np.concatenate([[0], np.cumsum(flags, dtype=np.int32)], dtype=np.int64)
