"""Names of proteins: one for every way in which files write it, and which names of two files mean the same protein.

Databases, tools and users write the same protein as `sp|P01308|INS_HUMAN`, `P01308` and `uniprotkb:P01308`, or as
`9606.ENSP00000250971` and `ENSP00000250971.3`. `protein_name` takes off what stands around a name, and `match_names`
compares what is left. Everything that reads names of proteins goes through these two.
"""

import re
from collections import defaultdict
from collections.abc import Iterable
from typing import Final, NamedTuple

_UNIPROT: Final = r"(?:[OPQ][0-9][A-Z0-9]{3}[0-9]|[A-NR-Z][0-9](?:[A-Z][A-Z0-9]{2}[0-9]){1,2})"
_ACCESSION: Final = rf"(?:{_UNIPROT}|ENS[A-Z]*[GPT]\d{{11}}|[ANWXY]P_\d{{6,}}|[A-Z]{{3}}\d{{5}}(?:\d\d)?)"
"""Accessions of UniProt, Ensembl, RefSeq and GenBank: those behind which a dot and a number are a version."""

_WRITTEN = re.compile(
    rf"""
    (?:gi\|\d+\|)?(?:sp|tr|ref|gb|emb|dbj|lcl)\|(?P<tagged>[^|\s]+)(?=[|\s]|$)  # sp|P01308|INS_HUMAN, ref|NP_000198.1|
    | (?P<entity>\w+)\|Chains?(?:\s|$)                                           # 4HHB_1|Chains A, C|Hemoglobin
    | (?P<chain>\w{{4}}:\w+)\|PDBID\|                                           # 4HHB:A|PDBID|CHAIN|SEQUENCE
    | (?P<first>{_ACCESSION}(?:\.\d+|-\d+)?)\|                                  # ENSP00000250971.3|ENST00000250971.7|
    | (?i:uniprot(?:kb)?(?:/[\w-]+)?|ensembl|refseq):(?P<prefixed>[^\s|]+)$     # uniprotkb:P01308
    """,
    re.VERBOSE,
)
_IDENTIFIER = re.compile(rf"(?:\d+\.)?{_ACCESSION}(?:\.\d+|-\d+)?")
_TAXON = re.compile(r"(\d+)\.(?=.*[A-Za-z])(.+)")
_VERSION = re.compile(rf"({_ACCESSION})\.(\d+)")
_INSIDE = re.compile(rf"(?<![A-Z0-9]){_UNIPROT}(?![A-Z0-9])")
_ENDING = re.compile(r"[.-]\d+$")
_MOST_EXAMPLES: Final = 3


class _Parts(NamedTuple):
    """A name taken apart; an empty text where it has no such part."""

    taxon: str
    accession: str
    version: str


def protein_name(text: str) -> str:
    """The name of a protein as a file writes it, without what databases and tools write around it.

    Parameters
    ----------
    text : str
        A FASTA header without its `>`, or the cell or field of a table, of pairs or of annotations.

    Returns
    -------
    name : str
        The accession of UniProt's `sp|P01308|INS_HUMAN` and of NCBI's `ref|NP_000198.1|`, the entity of RCSB's
        `4HHB_1|Chains A, C|…`, the first accession of GENCODE's `ENSP00000250971.3|ENST…`, or the accession of
        `uniprotkb:P01308`. Any other text is returned as it is. Version, isoform and taxon are part of a name.

    Examples
    --------
    >>> protein_name("sp|P01308-2|INS_HUMAN Isoform 2 of Insulin"), protein_name("9606.ENSP00000250971")
    ('P01308-2', '9606.ENSP00000250971')
    """
    written = _WRITTEN.match(text)
    return str(written[written.lastgroup]) if written and written.lastgroup else text


def match_names(names: Iterable[str], entries: Iterable[str]) -> dict[str, str]:
    """Which protein each name means, where that is certain.

    A name means the protein of the same name (`protein_name`). Without such a protein it means the only one that
    differs by a taxon in front (`9606.`) or by a version behind (`.3`) which one of the two leaves out. Isoforms
    (`P01308-2`), other versions, other taxa and other case are other proteins.

    Parameters
    ----------
    names : iterable of str
        Names as a file has them.
    entries : iterable of str
        The proteins, each once.

    Returns
    -------
    found : dict of str
        The entry of each name that means one. Two names that contradict each other, such as `9606.ENSP00000250971` and
        `10090.ENSP00000250971`, don't mean the same entry: neither is found.

    Examples
    --------
    >>> match_names(["9606.ENSP00000250971", "sp|P01308|INS_HUMAN", "P01308-2"], ["ENSP00000250971.3", "P01308"])
    {'sp|P01308|INS_HUMAN': 'P01308', '9606.ENSP00000250971': 'ENSP00000250971.3'}
    """
    known = dict.fromkeys(entries)
    own = {name: name if name in known else protein_name(name) for name in names}
    found = {name: short for name, short in own.items() if short in known}
    others = {name: _parts(short) for name, short in own.items() if name not in found}
    if not others:
        return found
    candidates = _by_accession(known)
    nearly: dict[str, list[str]] = defaultdict(list)
    for name, parts in others.items():
        fitting = [entry for entry, of_entry in candidates[parts.accession] if _agree([parts, of_entry])]
        if len(fitting) == 1:
            nearly[fitting[0]].append(name)
    found |= {
        name: entry
        for entry, of_entry in nearly.items()
        if _agree([others[name] for name in of_entry])
        for name in of_entry
    }
    return found


def resembling_names(names: Iterable[str], entries: Iterable[str]) -> dict[str, list[str]]:
    """Proteins that a name might mean though it finds none: of another case, version, taxon, or isoform.

    Parameters
    ----------
    names, entries : iterable of str
        As for `match_names`.

    Returns
    -------
    resembling : dict of list of str
        For each name its entries, which may be none, in their order.

    Examples
    --------
    >>> resembling_names(["p01308", "UniRef50_P01308", "X"], ["P01308-2", "P0DP23"])
    {'p01308': ['P01308-2'], 'UniRef50_P01308': ['P01308-2'], 'X': []}
    """
    core: dict[str, list[str]] = defaultdict(list)
    for entry in entries:
        core[core_of_name(entry)].append(entry)
    return {name: core.get(core_of_name(name), []) for name in names}


def accession_of(name: str) -> str:
    """A name without taxon and version: names of the same protein have it in common, and so have some that aren't."""
    return _parts(protein_name(name)).accession


def core_of_name(name: str) -> str:
    """What names that resemble each other have in common: the accession in upper case, without taxon and ending."""
    accession = _parts(protein_name(name)).accession.upper()
    inside = _INSIDE.search(accession)
    return inside[0] if inside else _ENDING.sub("", accession)


def examples_of_unknown(names: Iterable[str], entries: Iterable[str]) -> str:
    """Words for a message: some names that find no protein, each with those it resembles, or else some proteins.

    Parameters
    ----------
    names : iterable of str
        Names that `match_names` doesn't find.
    entries : iterable of str
        The proteins.

    Examples
    --------
    >>> examples_of_unknown(["p01308"], ["P01308", "P0DP23"])
    "'p01308' (nearly the same is 'P01308')"
    >>> examples_of_unknown(["INS"], ["P01308", "P0DP23"])
    "'INS' (the proteins are 'P01308', 'P0DP23')"
    """
    named, proteins = list(dict.fromkeys(names)), list(entries)
    resembling = resembling_names(named, proteins)
    shown = sorted(named, key=lambda name: not resembling[name])[:_MOST_EXAMPLES]
    words = ", ".join(f"{name!r}{nearly_the_same(resembling[name])}" for name in shown)
    if any(resembling[name] for name in shown):
        return words
    return f"{words} (the proteins are {_listed(proteins)})"


def nearly_the_same(resembling: list[str]) -> str:
    """Words for a message: the proteins that a name resembles, in parentheses; an empty text where there are none."""
    verb = "is" if len(resembling) == 1 else "are"
    return f" (nearly the same {verb} {_listed(resembling)})" if resembling else ""


def is_accession(text: str) -> bool:
    """Whether a text is an accession of UniProt, Ensembl, RefSeq or GenBank, perhaps with taxon, version or isoform."""
    return _IDENTIFIER.fullmatch(protein_name(text)) is not None


def uniprot_address(name: str) -> str:
    """The address of a protein's page at UniProt; an empty text for a name that is no accession of UniProt.

    Parameters
    ----------
    name : str
        Perhaps with version or isoform.

    Examples
    --------
    >>> uniprot_address("P01308-2"), uniprot_address("INS")
    ('https://www.uniprot.org/uniprotkb/P01308', '')
    """
    found = re.fullmatch(rf"({_UNIPROT})(?:[.-]\d+)?", name)
    return f"https://www.uniprot.org/uniprotkb/{found[1]}" if found else ""


def written_name(text: str) -> str:
    """The entry name that a FASTA header of UniProt gives behind the accession; an empty text where there is none.

    Parameters
    ----------
    text : str
        A FASTA header without its `>`.

    Examples
    --------
    >>> written_name("sp|P01308|INS_HUMAN Insulin OS=Homo sapiens"), written_name("P01308")
    ('INS_HUMAN', '')
    """
    found = re.match(r"(?:sp|tr)\|[^|\s]+\|([^|\s]+)", text)
    return found[1] if found else ""


def _parts(name: str) -> _Parts:
    taxon, rest = with_taxon.groups() if (with_taxon := _TAXON.fullmatch(name)) else ("", name)
    accession, version = with_version.groups() if (with_version := _VERSION.fullmatch(rest)) else (rest, "")
    return _Parts(taxon, accession, version)


def _by_accession(entries: Iterable[str]) -> dict[str, list[tuple[str, _Parts]]]:
    table: dict[str, list[tuple[str, _Parts]]] = defaultdict(list)
    for entry in entries:
        parts = _parts(protein_name(entry))
        table[parts.accession].append((entry, parts))
    return table


def _agree(named: list[_Parts]) -> bool:
    """Whether names of one accession have no two taxa and no two versions."""
    return all(len({getattr(parts, field) for parts in named} - {""}) <= 1 for field in ("taxon", "version"))


def _listed(names: list[str]) -> str:
    return ", ".join(map(repr, names[:_MOST_EXAMPLES])) + (", …" if len(names) > _MOST_EXAMPLES else "")
