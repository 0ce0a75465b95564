"""Pairs of proteins: of known ones, with labels that agree. A-B and B-A are the same pair."""

import logging
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, Literal, NamedTuple

import numpy as np
import pandas as pd
import pandera.pandas as pa
from numpy.typing import NDArray

from esm2_amp.errors import InputError
from esm2_amp.files import SourceTable
from esm2_amp.names import examples_of_unknown, match_names, nearly_the_same, protein_name, resembling_names
from esm2_amp.validation.cells import Problem, all_problems, cell_problems, id_column

logger = logging.getLogger(__name__)

LABELS: Final = {"0": 0, "1": 1, "0.0": 0, "1.0": 1}
"""How labels may be written, and what they are."""

PARTNERS: Final = ("Protein1", "Protein2")

PAIRS = pa.DataFrameSchema(
    {
        "Protein1": id_column(),
        "Protein2": id_column(),
        "Label": pa.Column(
            "str",
            pa.Check(
                lambda labels: labels.isin(list(LABELS)),
                error="must be 0 or 1, got {value}; correct it, or drop the pair",
            ),
            required=False,
        ),
    }
)
"""Pairs after normalisation, labels still as text."""


def clean_pairs(
    pairs_raw: SourceTable,
    entries: Sequence[str] | None,
    *,
    self_pairs: Literal["keep", "drop"],
    duplicate_pairs: Literal["keep", "drop"],
    labels: Literal["required", "optional", "unused"],
    protein_source: str,
    dropped: Sequence[str] = (),
) -> tuple[pd.DataFrame, dict[str, int]]:
    """Pairs of known proteins with consistent labels. A-B and B-A are the same pair.

    Parameters
    ----------
    pairs_raw : SourceTable
        `Protein1`, `Protein2` and perhaps `Label` as `esm2_amp.io.pairs.PairsDataset` loads them.
    entries : sequence of str, optional
        Ids of the proteins that pairs may name, as `esm2_amp.names.match_names` finds them. Without them any protein
        may be named.
    self_pairs : {"keep", "drop"}
        What happens to a protein paired with itself.
    duplicate_pairs : {"keep", "drop"}
        Whether only the first row of a pair stays.
    labels : {"required", "optional", "unused"}
        Whether there must be a column `Label`. Where labels are unused, one that is neither 0 nor 1 is missing, and
        they need not agree.
    protein_source : str
        Where `entries` come from, for messages.
    dropped : sequence of str
        Ids of proteins that were left out; their pairs are left out, too.

    Returns
    -------
    pairs : DataFrame
        `Protein1`, `Protein2`, str, the ids among `entries`, or without these the names in the file; `Label`, int8,
        where the input has it (Int8 where some are missing); `row`, int64, 1-based row in the file; in the order of the
        file, rows numbered from 0.
    report : dict of int
        Counts of pairs: read and kept; self-pairs and duplicates (of these swapped) in what was read; positives and
        negatives in what was kept. `names_matched` counts names that are written otherwise than among `entries`.

    Raises
    ------
    InputError
        An id is missing, illegal or unknown; a label is missing or not 0 or 1; a pair has both labels; no pair is left.
    """
    file, raw = pairs_raw.file, pairs_raw.frame
    if labels == "required" and "Label" not in raw:
        raise InputError(f"{file} must have a column Label of 0 and 1, got {', '.join(map(str, raw))}; add the labels")
    columns = [column for column in ("Protein1", "Protein2", "Label") if column in raw]
    written = raw[columns].apply(lambda column: column.str.strip())
    known = None if entries is None else [*entries, *dropped]
    code_a, code_b, named = _codes(written)
    found = {} if known is None else matched_names(named, known, file)
    own = named.map(lambda name: found.get(name, protein_name(name)))
    table = written
    if not own.equals(named):
        table = written.assign(Protein1=own[code_a].astype("str"), Protein2=own[code_b].astype("str"))
    of_names, of_proteins = pd.factorize(own)
    a, b = of_names[code_a], of_names[code_b]
    first = _first_rows(a, b)
    checked = table.drop(columns="Label", errors="ignore") if labels == "unused" else table
    problems = cell_problems(PAIRS, checked)
    if known is not None:
        problems += _unknown_proteins(table, known, f"{len(known) - len(dropped)} proteins of {protein_source}")
    if "Label" in checked:
        problems += _contradictory_labels(table, first)
    if problems:
        raise all_problems(pairs_raw, problems)

    is_self = a == b
    is_duplicate = first != np.arange(len(table))
    is_dropped = of_proteins.isin(dropped)
    is_of_dropped = is_dropped[a] | is_dropped[b]
    left_out = (is_self & (self_pairs == "drop")) | (is_duplicate & (duplicate_pairs == "drop")) | is_of_dropped
    if left_out.all():
        others = " and pairs of proteins that were left out" if is_of_dropped.any() else ""
        raise InputError(
            f"{file} must pair different proteins, got only self-pairs{others}; add pairs, or keep self_pairs"
        )
    kept = (written if entries is None else table)[~left_out]
    pairs = kept.rename_axis("row").reset_index()[[*columns, "row"]]
    report = {
        "read": len(table),
        "kept": len(pairs),
        "blank_rows_skipped": pairs_raw.blank_rows,
        "white_space_removed": int((written != raw[columns]).any(axis=1).sum()),
        "names_matched": sum(name != entry for name, entry in found.items()),
        "of_dropped_proteins": int(is_of_dropped.sum()),
        "self_pairs": int(is_self.sum()),
        "duplicates": int(is_duplicate.sum()),
        "swapped_duplicates": int((a != a[first]).sum()),
    }
    if "Label" in table:
        pairs["Label"] = _as_numbers(pairs["Label"], file)
        report["positives"], report["negatives"] = (int((pairs["Label"] == label).sum()) for label in (1, 0))
    return pairs, report


def matched_names(names: Iterable[str], entries: Sequence[str], file: str) -> dict[str, str]:
    """The entry of each name that means one, by `esm2_amp.names.match_names`; logged where they differ.

    Parameters
    ----------
    names : iterable of str
        As pairs have them.
    entries : sequence of str
        Names of the proteins there are.
    file : str
        The file of the pairs, for the log.
    """
    found = match_names(names, entries)
    if differ := [(name, entry) for name, entry in found.items() if name != entry]:
        logger.info(
            "%s: %s names were matched to proteins that are named differently, such as %s to %s",
            file, f"{len(differ):,}", *differ[0],
        )  # fmt: skip
    return found


class Lacking(NamedTuple):
    """Names in pairs that mean none of the proteins there are, each with words about it.

    Attributes
    ----------
    unknown : dict of str
        Of no protein: the name itself.
    left_out : dict of str
        Of a protein that was left out: why.
    """

    unknown: dict[str, str]
    left_out: dict[str, str]

    def reasons(self, pairs: pd.DataFrame) -> pd.Series:
        """The proteins that each pair lacks, in words; an empty text where it lacks none.

        Parameters
        ----------
        pairs : DataFrame
            `Protein1`, `Protein2`.

        Returns
        -------
        reasons : Series of str
            On the index of `pairs`.
        """
        names, reasons = words_of_pairs(pairs, self.unknown, ", "), words_of_pairs(pairs, self.left_out, "; ")
        reasons = reasons.where((reasons == "") | (names == ""), reasons + "; ")
        reasons += ("no sequence or features for " + names).where(names != "", "")
        return ("not scored: " + reasons).where(reasons != "", "")

    def log(self, count: int, total: int, file: str, entries: Sequence[str]) -> None:
        """Log how many pairs lack a protein, or raise InputError where all do.

        Parameters
        ----------
        count, total : int
            Pairs that lack one, and all pairs.
        file : str
            The file of the pairs.
        entries : sequence of str
            The proteins there are.
        """
        if count and count == total:
            words = _why_lacking(self.unknown, self.left_out, entries)
            raise InputError(f"None of the {total:,} pairs of {file} can be scored: {words}")
        if count:
            words = _why_lacking(self.unknown, self.left_out, entries)
            logger.warning("%s of %s pairs of %s can't be scored: %s", f"{count:,}", f"{total:,}", file, words)


def find_proteins(
    names: Sequence[str], entries: Sequence[str], file: str, dropped: pd.DataFrame | None = None
) -> tuple[dict[str, str], Lacking]:
    """The proteins that names mean, and the names that mean none.

    Parameters
    ----------
    names : sequence of str
        As pairs have them, each once.
    entries : sequence of str
        The proteins there are.
    file : str
        The file of the pairs, for messages.
    dropped : DataFrame, optional
        `Entry` and `Problem` of the proteins that were left out.
    """
    found = matched_names(names, entries, file)
    lacking = [name for name in names if name not in found]
    problems: dict[str, str] = {}
    if dropped is not None:
        problems = dict(zip(dropped["Entry"][::-1], dropped["Problem"][::-1], strict=True))  # the first of each
    left_out = {name: f"{name} was left out: {problems[at]}" for name, at in match_names(lacking, problems).items()}
    return found, Lacking({name: name for name in lacking if name not in left_out}, left_out)


def why_not_scored(
    pairs: pd.DataFrame, entries: Sequence[str], file: str, dropped: pd.DataFrame | None = None
) -> pd.Series:
    """The proteins that each pair lacks, in words; an empty text where it lacks none.

    Parameters
    ----------
    pairs : DataFrame
        `Protein1`, `Protein2`.
    entries, file, dropped
        As for `find_proteins`.

    Returns
    -------
    reasons : Series of str
        On the index of `pairs`.

    Raises
    ------
    InputError
        Every pair lacks a protein.
    """
    names = pd.unique(pairs[list(PARTNERS)].to_numpy().ravel()).tolist()
    _, lacking = find_proteins(names, entries, file, dropped)
    reasons = lacking.reasons(pairs)
    lacking.log(int((reasons != "").sum()), len(pairs), file, entries)
    return reasons


def known_pairs(pairs: pd.DataFrame, entries: Sequence[str]) -> pd.DataFrame:
    """The pairs that can be scored, under the names of the proteins there are.

    Parameters
    ----------
    pairs : DataFrame
        `Protein1`, `Protein2`, and `Status` where `why_not_scored` has looked at them.
    entries : sequence of str
        The proteins there are.

    Returns
    -------
    known : DataFrame
        With the columns of `pairs`; rows numbered from 0.

    Raises
    ------
    InputError
        Every pair lacks a protein.
    """
    status = pairs["Status"] if "Status" in pairs else why_not_scored(pairs, entries, "the pair file")
    known = pairs[status == ""].reset_index(drop=True)
    entry_of = match_names(known[list(PARTNERS)].to_numpy().ravel(), entries)
    return known.assign(**{name: known[name].map(entry_of) for name in PARTNERS})


def paired_proteins(proteins: pd.DataFrame, pairs: pd.DataFrame) -> pd.DataFrame:
    """The proteins that are in pairs which can be scored: the others need no features.

    Parameters
    ----------
    proteins : DataFrame
        `Entry`; empty where features are given in place of proteins.
    pairs : DataFrame
        `Protein1`, `Protein2`, `Status`.
    """
    if proteins.empty:
        return proteins
    known = known_pairs(pairs, proteins["Entry"].tolist())
    return proteins[proteins["Entry"].isin(known[list(PARTNERS)].to_numpy().ravel())].reset_index(drop=True)


def _why_lacking(unknown: Mapping[str, str], left_out: Mapping[str, str], entries: Sequence[str]) -> str:
    words = []
    if unknown:
        words.append(
            f"{len(unknown):,} names are not among the {len(entries):,} proteins, such as "
            f"{examples_of_unknown(unknown, entries)}; name proteins alike in both files, or give those that lack by "
            "--params=proteins=FILE"
        )
    if left_out:
        words.append(f"{len(left_out):,} proteins were left out, such as: {next(iter(left_out.values()))}")
    return "; ".join(words)


def words_of_pairs(pairs: pd.DataFrame, words: Mapping[str, str], separator: str) -> pd.Series:
    """What there is to say of the proteins of each pair.

    Parameters
    ----------
    pairs : DataFrame
        `Protein1`, `Protein2`.
    words : mapping of str
        Of some names.
    separator : str
        Between the words of two proteins.

    Returns
    -------
    of_pairs : Series of str
        On the index of `pairs`; `""` where neither protein has words.
    """
    code_a, code_b, named = _codes(pairs)
    has_words = named.isin(list(words))
    texts = np.full(len(pairs), "", dtype=object)
    for i in np.flatnonzero(has_words[code_a] | has_words[code_b]):
        texts[i] = separator.join(
            dict.fromkeys(words[named[code]] for code in (code_a[i], code_b[i]) if has_words[code])
        )
    return pd.Series(texts, index=pairs.index, dtype="str")


def _as_numbers(labels: pd.Series, file: str) -> pd.Series:
    numbers = pd.Series(_label_numbers(labels), index=labels.index)
    if not (missing := numbers.isna()).any():
        return numbers.astype("int8")
    logger.warning(
        "%s: %s labels are neither 0 nor 1, such as %r; they are left empty",
        file,
        f"{missing.sum():,}",
        labels[missing].iloc[0],
    )
    return numbers.astype("Int8")


def _label_numbers(labels: pd.Series) -> NDArray[np.float64]:
    """The numbers that labels stand for; NaN where they are neither 0 nor 1."""
    codes, texts = pd.factorize(labels, use_na_sentinel=False)
    return np.array([LABELS.get(text, np.nan) for text in texts], dtype=np.float64)[codes]


def _codes(pairs: pd.DataFrame) -> tuple[NDArray[np.int64], NDArray[np.int64], pd.Index]:
    """The two columns of ids as numbers into the ids that occur."""
    codes, named = pd.factorize(pd.concat([pairs[name] for name in PARTNERS]))
    return codes[: len(pairs)], codes[len(pairs) :], named


def _first_rows(a: NDArray[np.int64], b: NDArray[np.int64]) -> NDArray[np.int64]:
    """Position of the first row with the same two proteins, in either order, for each pair of numbers of proteins."""
    codes, unique = pd.factorize(np.minimum(a, b) << 32 | np.maximum(a, b))
    first = np.empty(len(unique), dtype=np.int64)
    first[codes[::-1]] = np.arange(len(codes))[::-1]  # of several rows the last one written, which is the first, stays
    return first[codes]


def _unknown_proteins(pairs: pd.DataFrame, known: Sequence[str], proteins: str) -> list[Problem]:
    unknown = [(name, pairs.loc[~pairs[name].isin([*known, ""]), name]) for name in PARTNERS]  # "" is another problem
    resembling = resembling_names({name for _, names in unknown for name in names}, known)
    return [
        (
            row,
            f"{column} {name!r} is not among the {proteins}{nearly_the_same(resembling[name])}; "
            "add its sequence or drop the pair",
        )
        for column, names in unknown
        for row, name in zip(names.index, names, strict=True)
    ]


def _contradictory_labels(pairs: pd.DataFrame, first: NDArray[np.int64]) -> list[Problem]:
    label, row = _label_numbers(pairs["Label"]), pairs.index.to_numpy()
    # NaN, a label that is no label, differs from everything but is a problem of its own.
    contradictory = np.flatnonzero(np.abs(label - label[first]) == 1)
    names = pairs.iloc[contradictory][list(PARTNERS)].itertuples(index=False)
    return [
        (
            row[i],
            f"the pair {a}-{b} has Label {label[i]:.0f}, but {label[first[i]]:.0f} in row {row[first[i]]}; "
            "keep one of the two",
        )
        for i, (a, b) in zip(contradictory, names, strict=True)
        if a and b
    ]
