"""Names of proteins in pairs, sequences and annotations: which nearly look the same."""

import re
from collections.abc import Collection, Iterable
from typing import Final

_TAXON, _ISOFORM_OR_VERSION = re.compile(r"^\d+\.(?=\D)"), re.compile(r"[-.]\d+$")
_DATABASES: Final = ("", "SP", "TR")


def similar_names(missing: Iterable[str], present: Collection[str]) -> dict[str, str]:
    """Names that differ from missing ones only in how they are written.

    Parameters
    ----------
    missing : iterable of str
        Names that were looked for and not found.
    present : collection of str
        Names to choose from.

    Returns
    -------
    similar : dict of str
        For each missing name that has one, the first present name, in alphabetical order, that equals it but for case,
        version (`ENSP00000250971.3`), isoform (`P01308-2`), taxon (`9606.ENSP00000250971`), or what stands beside it
        between bars (`sp|P01308|INS_HUMAN`).
    """
    names = {stem: name for name in sorted(present, reverse=True) for stem in stems(name)}
    return {name: names[stem] for name in missing for stem in stems(name) if stem in names}


def stems(name: str) -> list[str]:
    """What a name has in common with similar ones.

    Parameters
    ----------
    name : str
        Any name of a protein.

    Returns
    -------
    stems : list of str
        The parts between bars in upper case, without version, isoform and taxon.
    """
    parts = (part.strip().upper() for part in name.split("|"))
    return [_ISOFORM_OR_VERSION.sub("", _TAXON.sub("", part)) for part in parts if part not in _DATABASES]
