"""Queries of a screen: proteins of the proteome by their names, or further ones that are given with their sequences."""

from collections.abc import Sequence
from typing import NamedTuple

import pandas as pd

from esm2_amp.errors import InputError
from esm2_amp.files import SourceTable, listed
from esm2_amp.names import examples_of_unknown, match_names
from esm2_amp.validation.proteins import clean_proteins


class Queries(NamedTuple):
    """Queries, and the proteins whose vectors a screen needs.

    Attributes
    ----------
    proteins : DataFrame
        `Entry`, `Sequence`: the proteome, then the queries that it lacks.
    queries : DataFrame
        `Entry`, each once, and `InProteome`; without rows where none are given.
    """

    proteins: pd.DataFrame
    queries: pd.DataFrame


def find_queries(raw: SourceTable, proteome: pd.DataFrame, dropped: pd.DataFrame, shortest: int) -> Queries:
    """Find queries in a proteome, and add those to it that it lacks.

    Parameters
    ----------
    raw : SourceTable
        `Entry` and `Sequence`, `""` for an id alone.
    proteome : DataFrame
        `Entry`, `Sequence`.
    dropped : DataFrame
        `Entry` and `Problem` of the proteins that were left out.
    shortest : int
        Residues that a query with a sequence must have.

    Raises
    ------
    InputError
        A query has no sequence and isn't among the proteins, or it has another sequence than the protein of its name,
        or one that can't be used.
    """
    written = raw.frame.apply(lambda column: column.str.strip())
    entry_of = match_names(written["Entry"], proteome["Entry"])
    has_sequence = written["Sequence"] != ""
    lacks = written.loc[~has_sequence & ~written["Entry"].isin(entry_of), "Entry"]
    if len(lacks):
        raise unknown_queries(lacks.tolist(), proteome["Entry"].tolist(), raw.file, dropped)
    given = SourceTable(raw.frame[has_sequence.to_numpy()], raw.file)
    cleaned = clean_proteins(given, bad_proteins="stop", shortest=shortest).proteins if has_sequence.any() else None
    entry_of |= {name: name for name in written["Entry"] if name not in entry_of}
    further = proteome.head(0)
    if cleaned is not None:
        own = cleaned.assign(Entry=cleaned["Entry"].map(entry_of).fillna(cleaned["Entry"]))
        _check_sequences(own, proteome, raw.file)
        further = own[~own["Entry"].isin(proteome["Entry"])].drop_duplicates("Entry")
    entries = pd.Series(list(dict.fromkeys(written["Entry"].map(entry_of))), dtype="str")
    queries = pd.DataFrame({"Entry": entries, "InProteome": ~entries.isin(further["Entry"])})
    return Queries(pd.concat([proteome, further[proteome.columns]], ignore_index=True), queries)


def unknown_queries(
    names: Sequence[str], entries: Sequence[str], file: str, dropped: pd.DataFrame | None = None
) -> InputError:
    """The error for queries that have no sequence and aren't among the proteins."""
    problems = {} if dropped is None else dict(zip(dropped["Entry"][::-1], dropped["Problem"][::-1], strict=True))
    left_out = match_names(names, problems)
    if left_out:
        name, entry = next(iter(left_out.items()))
        return InputError(f"{file}: the query {name} was left out of the proteins: {problems[entry]}")
    return InputError(
        f"{file}: queries must be among the {len(entries):,} proteins or be given with their sequences, but "
        f"{len(names):,} are not, such as {examples_of_unknown(names, entries)}; name them as the proteins are named, "
        "or give the queries as FASTA"
    )


def _check_sequences(queries: pd.DataFrame, proteome: pd.DataFrame, file: str) -> None:
    known = proteome.set_index("Entry")["Sequence"]
    both = queries[queries["Entry"].isin(known.index)]
    differ = both[both["Sequence"].to_numpy() != known.loc[both["Entry"]].to_numpy()]
    if len(differ):
        raise listed(
            file,
            [
                f"{file}: the query {entry} must have the sequence that it has among the proteins, got another one; "
                "give the query another id, or leave its sequence out"
                for entry in differ["Entry"]
            ],
        )
