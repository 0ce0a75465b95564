"""Types of annotated regions by the names that UniProt and InterPro give them."""

from collections.abc import Collection, Iterable, Sequence
from difflib import get_close_matches
from typing import Final

from esm2_amp.errors import InputError

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

USUAL_TYPES: Final = {
    "UniProt": ("Domain", "Region", "Compositional bias", "Repeat", "Motif"),
    "InterPro": ("Domain", "Repeat", "Active_site", "Binding_site", "Conserved_site", "PTM"),
}
"""Types that are looked at unless others are asked for, by source (METHOD.md section 7)."""

LINKS: Final = ("Disulfide bond", "Cross-link")
"""Types whose start and end are two linked residues, with nothing annotated between them."""

ALL: Final = "ALL"
"""The union of the chosen types."""

_ALIASES = {"signal": "Signal peptide"}
_KNOWN = (*UNIPROT_TYPES.values(), *(name for name in INTERPRO_TYPES if name not in UNIPROT_TYPES.values()))
_CANONICAL = {name.casefold(): name for name in _KNOWN} | _ALIASES


def canonical_type(name: str) -> str | None:
    """A known type as it is spelt here, whatever its case; None for an unknown one."""
    return _CANONICAL.get(name.strip().casefold())


def chosen_types(types: Sequence[str] | None, sources: Iterable[str], found: Collection[str]) -> list[str]:
    """The types to look at.

    Parameters
    ----------
    types : sequence of str, optional
        As asked for; by default those of `USUAL_TYPES` for the sources.
    sources : iterable of str
        Where the annotations come from.
    found : collection of str
        Types in the annotations: they may be asked for whatever they are called, and are all looked at where the
        source has no usual ones.

    Raises
    ------
    InputError
        A type is neither known nor found.
    """
    if types is None:
        usual = [name for source in sources for name in USUAL_TYPES.get(source, ())]
        return list(dict.fromkeys(usual)) or sorted(found)
    known = [*_KNOWN, *sorted(set(found) - set(_KNOWN))]
    chosen = []
    for name in types:
        spelt = name if name in found else canonical_type(name)
        if spelt is None:
            close = get_close_matches(name, known, n=1)
            hint = f" (did you mean {close[0]!r}?)" if close else ""
            raise InputError(f"functional_regions.types must be among {', '.join(known)}; got {name!r}{hint}")
        chosen.append(spelt)
    return list(dict.fromkeys(chosen))
