"""Types of annotated regions by the names that UniProt and InterPro give them."""

from collections.abc import Collection, Iterable, Sequence
from typing import Final

from esm2_amp.errors import InputError, did_you_mean

UNIPROT_TYPES: Final = {
    "DOMAIN": "Domain", "REGION": "Region", "COMPBIAS": "Compositional bias", "REPEAT": "Repeat", "MOTIF": "Motif",
    "ACT_SITE": "Active site", "BINDING": "Binding site", "SITE": "Site", "DNA_BIND": "DNA binding",
    "ZN_FING": "Zinc finger", "COILED": "Coiled coil", "METAL": "Metal binding", "CA_BIND": "Calcium binding",
    "NP_BIND": "Nucleotide binding", "TOPO_DOM": "Topological domain", "TRANSMEM": "Transmembrane",
    "INTRAMEM": "Intramembrane", "SIGNAL": "Signal peptide", "TRANSIT": "Transit peptide", "PROPEP": "Propeptide",
    "PEPTIDE": "Peptide", "CHAIN": "Chain", "INIT_MET": "Initiator methionine", "MOD_RES": "Modified residue",
    "LIPID": "Lipidation", "CARBOHYD": "Glycosylation", "DISULFID": "Disulfide bond", "CROSSLNK": "Cross-link",
    "NON_STD": "Non-standard residue", "VARIANT": "Natural variant", "VAR_SEQ": "Alternative sequence",
    "MUTAGEN": "Mutagenesis", "CONFLICT": "Sequence conflict", "UNSURE": "Sequence uncertainty",
    "NON_CONS": "Non-adjacent residues", "NON_TER": "Non-terminal residue", "HELIX": "Helix", "STRAND": "Beta strand",
    "TURN": "Turn",
}  # fmt: skip
"""UniProt's feature keys and the types they stand for (uniprot.org/help/sequence_annotation)."""

INTERPRO_TYPES: Final = (
    "Domain", "Repeat", "Active_site", "Binding_site", "Conserved_site", "PTM", "Family", "Homologous_superfamily",
)  # fmt: skip
"""Types of InterPro entries."""

FAMILIES: Final = ("Family", "Homologous_superfamily")
"""Types of InterPro entries that classify whole proteins or folds; not regions, unless they are asked for."""

USUAL_TYPES: Final = {
    "UniProt": ("Domain", "Region", "Compositional bias", "Repeat", "Motif"),
    "InterPro": ("Domain", "Repeat", "Active_site", "Binding_site", "Conserved_site", "PTM"),
}
"""Types that count unless others are asked for, by source; those of the published work."""

LINKS: Final = ("Disulfide bond", "Cross-link")
"""Types whose start and end are two linked residues, with nothing annotated between them."""

ALL: Final = "ALL"
"""The union of the chosen types."""

_ALIASES = {"signal": "Signal peptide"}
_KNOWN = (*UNIPROT_TYPES.values(), *(name for name in INTERPRO_TYPES if name not in UNIPROT_TYPES.values()))
_CANONICAL = {name.casefold(): name for name in _KNOWN} | _ALIASES
_INTERPRO = {name.casefold(): name for name in INTERPRO_TYPES}
_NO_TYPE: Final = ("", "-", ".", "none", "null", "unknown")


def canonical_type(name: str) -> str | None:
    """A type in the spelling of `UNIPROT_TYPES` or `INTERPRO_TYPES`.

    Parameters
    ----------
    name : str
        The type in any case.

    Returns
    -------
    type : str or None
        None for an unknown type.
    """
    return _CANONICAL.get(name.strip().casefold())


def interpro_type(name: str) -> str | None:
    """The type of an InterPro entry or signature in the spelling of `INTERPRO_TYPES`.

    Parameters
    ----------
    name : str
        The type as a file gives it: in any case, words joined by blanks or underscores.

    Returns
    -------
    type : str or None
        A type that InterPro's entries don't have, such as a transmembrane region, stays as it is. None for texts that
        stand for no type, such as `""` and `-`.
    """
    word = name.strip().casefold().replace(" ", "_")
    return None if word in _NO_TYPE else _INTERPRO.get(word) or canonical_type(name) or name.strip()


def chosen_types(types: Sequence[str] | None, sources: Iterable[str], found: Collection[str]) -> list[str]:
    """The types whose regions count.

    Parameters
    ----------
    types : sequence of str, optional
        The types asked for. By default those of `USUAL_TYPES` for the sources, or, where the sources have no usual
        ones, all that are found but `FAMILIES`.
    sources : iterable of str
        Where the annotations come from.
    found : collection of str
        Types in the annotations; any of them may be asked for, known or not.

    Returns
    -------
    chosen : list of str
        Each type once.

    Raises
    ------
    InputError
        A type is neither known nor found.
    """
    if types is None:
        usual = [name for source in sources for name in USUAL_TYPES.get(source, ())]
        return list(dict.fromkeys(usual)) or sorted(set(found) - set(FAMILIES))
    known = [*_KNOWN, *sorted(set(found) - set(_KNOWN))]
    chosen = []
    for name in types:
        spelt = name if name in found else canonical_type(name)
        if spelt is None:
            raise InputError(
                f"functional_regions.types must be among {', '.join(known)}; got {name!r}{did_you_mean(name, known)}"
            )
        chosen.append(spelt)
    return list(dict.fromkeys(chosen))
