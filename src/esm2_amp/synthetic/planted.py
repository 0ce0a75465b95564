"""An interactome with planted truth: which pairs interact, and which residues make them do so.

Each of K families has two motifs, a lock and a key. A protein carries one motif as its site, or none; a pair
interacts exactly when one partner carries the lock and the other the key of the same family. Every protein holds the
residues of all 2K motifs, one of them perhaps in place as its site, the others scattered: the amino-acid composition
has one distribution for all proteins and carries no information about interaction. Only a site's segment does.
"""

from typing import Final, NamedTuple, Self

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from esm2_amp.errors import InputError
from esm2_amp.parameters.planted_data import PlantedParameters
from esm2_amp.protein import AMINO_ACID_PERCENT, N_SEGMENTS, segment_bounds

ROLES: Final = ("lock", "key")
NO_SITE: Final = -1

_RESIDUES = np.array(list(AMINO_ACID_PERCENT))
_FREQUENCIES = np.array(list(AMINO_ACID_PERCENT.values())) / sum(AMINO_ACID_PERCENT.values())

_Residues = NDArray[np.str_]


class PlantedInteractome(NamedTuple):
    """Proteins, labelled pairs and the sites that decide the labels.

    Attributes
    ----------
    proteins : DataFrame
        `Entry`, `Sequence`; the proteins of all splits.
    train_pairs, validation_pairs, test_pairs : DataFrame
        `Protein1`, `Protein2`, `Label`; in random order, also within a pair.
    motifs : DataFrame
        `Family` (1-based), `Role` (lock, key), `Motif`: the residues before mutation.
    sites : DataFrame
        `Entry`, `Family`, `Role`, `Segment` (0-based, as in token names), `Start`, `End` (1-based residues, inclusive).
    regions : DataFrame
        `Entry`, `Length` and annotations as in UniProt's TSV export: the sites as `Motif`, and as `Region` one decoy
        per protein, as long as a site and placed like one, but without regard to where the site is.
    """

    proteins: pd.DataFrame
    train_pairs: pd.DataFrame
    validation_pairs: pd.DataFrame
    test_pairs: pd.DataFrame
    motifs: pd.DataFrame
    sites: pd.DataFrame
    regions: pd.DataFrame


class _Place(NamedTuple):
    """Where a site lies: segment and first residue, both 0-based."""

    segment: int
    start: int

    @classmethod
    def draw(cls, length: int, motif_length: int, generator: np.random.Generator) -> Self:
        """A segment, then a place that lies wholly within it, both evenly."""
        segment = int(generator.integers(N_SEGMENTS))
        first, end = segment_bounds(length)[segment : segment + 2].tolist()
        return cls(segment, first + int(generator.integers(end - first - motif_length + 1)))

    def interval(self, motif_length: int) -> tuple[int, int]:
        """First and last residue, 1-based, inclusive."""
        return self.start + 1, self.start + motif_length


def generate_interactome(parameters: PlantedParameters) -> PlantedInteractome:
    """Draw proteins, plant sites in them, and choose pairs.

    Raises
    ------
    InputError
        The parameters can't be met: motifs don't fit, or there are fewer pairs than wanted.
    """
    _check_lengths(parameters)
    generator = np.random.default_rng(parameters.seed)
    motifs = generator.choice(_RESIDUES, size=(2 * parameters.n_families, parameters.motif_length), p=_FREQUENCIES)
    pairs: dict[str, pd.DataFrame] = {}
    motif_of: dict[str, int] = {}
    n_earlier = 0
    for split, n_proteins in parameters.n_proteins:
        carried = _carried_motifs(n_proteins, parameters, generator)
        entries = [f"SYN{n_earlier + i:04d}" for i in range(1, n_proteins + 1)]
        pairs[split] = _choose_pairs(entries, carried, getattr(parameters.n_pairs, split), split, generator)
        motif_of.update(zip(entries, carried.tolist(), strict=True))
        n_earlier += n_proteins
    proteins, sites, regions = _plant(motif_of, motifs, parameters, generator)
    return PlantedInteractome(
        proteins=proteins,
        train_pairs=pairs["train"],
        validation_pairs=pairs["validation"],
        test_pairs=pairs["test"],
        motifs=pd.DataFrame(
            [(*_family_and_role(m), "".join(motif)) for m, motif in enumerate(motifs)],
            columns=["Family", "Role", "Motif"],
        ),
        sites=sites,
        regions=regions,
    )


def _check_lengths(parameters: PlantedParameters) -> None:
    shortest, longest = parameters.length_range
    if longest < shortest:
        raise InputError(f"length_range must be (shortest, longest), got ({shortest}, {longest}); swap the two")
    if shortest // N_SEGMENTS < parameters.motif_length:
        raise InputError(
            f"motif_length must be at most the shortest segment, {shortest // N_SEGMENTS} residues in a protein of "
            f"{shortest}, got {parameters.motif_length}; "
            f"let length_range begin at {N_SEGMENTS * parameters.motif_length} or more"
        )
    planted = 2 * parameters.n_families * parameters.motif_length
    if planted > shortest:
        raise InputError(
            f"The shortest protein must have room for the residues of all motifs, {planted} "
            f"(2 × n_families × motif_length), got {shortest}; raise length_range or lower n_families"
        )


def _family_and_role(motif: int) -> tuple[int, str]:
    """Family (1-based) and role of a motif's number: lock 1, key 1, lock 2, …"""
    return motif // 2 + 1, ROLES[motif % 2]


def _carried_motifs(
    n_proteins: int, parameters: PlantedParameters, generator: np.random.Generator
) -> NDArray[np.int64]:
    """The motif that each protein of a split carries, shape (P,), or `NO_SITE`; all motifs about equally often."""
    n_carriers = round(n_proteins * parameters.carrier_fraction)
    carried = np.full(n_proteins, NO_SITE)
    carried[:n_carriers] = np.arange(n_carriers) % (2 * parameters.n_families)
    return generator.permutation(carried)


def _choose_pairs(
    entries: list[str], carried: NDArray[np.int64], n_pairs: int, split: str, generator: np.random.Generator
) -> pd.DataFrame:
    a, b = np.triu_indices(len(entries), k=1)
    both_carry = (carried[a] != NO_SITE) & (carried[b] != NO_SITE)
    interacting = both_carry & (carried[a] ^ 1 == carried[b])
    n_positive = n_pairs // 2
    n_hard = (n_pairs - n_positive) // 2
    wanted = [
        ("interacting pairs", interacting, n_positive),
        ("non-interacting pairs of two proteins with a site", both_carry & ~interacting, n_hard),
        ("pairs with a protein without a site", ~both_carry, n_pairs - n_positive - n_hard),
    ]
    chosen = []
    for kind, is_kind, count in wanted:
        rows = np.flatnonzero(is_kind)
        if len(rows) < count:
            raise InputError(
                f"n_pairs.{split} = {n_pairs} takes {count:,} {kind}, but the split's {len(entries):,} proteins make "
                f"only {len(rows):,}; lower n_pairs.{split}, raise n_proteins.{split} or change carrier_fraction"
            )
        chosen.append(generator.choice(rows, size=count, replace=False))
    rows = generator.permutation(np.concatenate(chosen))
    partners = np.column_stack([a[rows], b[rows]])
    names = np.array(entries, dtype=object)[generator.permuted(partners, axis=1)]
    return pd.DataFrame({"Protein1": names[:, 0], "Protein2": names[:, 1], "Label": interacting[rows].astype(np.int64)})


def _plant(
    motif_of: dict[str, int], motifs: _Residues, parameters: PlantedParameters, generator: np.random.Generator
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Sequences, sites and region annotations of all proteins, in the order of `motif_of`."""
    shortest, longest = parameters.length_range
    proteins, sites, regions = [], [], []
    for entry, motif in motif_of.items():
        length = int(generator.integers(shortest, longest + 1))
        site = _Place.draw(length, parameters.motif_length, generator)
        decoy = _Place.draw(length, parameters.motif_length, generator)
        copies = _mutated(motifs, parameters.mutation_rate, generator)
        proteins.append((entry, _sequence(length, copies, motif, site.start, generator)))
        annotation = None
        if motif != NO_SITE:
            family, role = _family_and_role(motif)
            start, end = site.interval(parameters.motif_length)
            sites.append((entry, family, role, site.segment, start, end))
            annotation = f'MOTIF {start}..{end}; /note="planted {role} {family}"'
        start, end = decoy.interval(parameters.motif_length)
        regions.append((entry, length, None, f'REGION {start}..{end}; /note="decoy"', None, None, annotation))
    return (
        pd.DataFrame(proteins, columns=["Entry", "Sequence"]),
        pd.DataFrame(sites, columns=["Entry", "Family", "Role", "Segment", "Start", "End"]),
        pd.DataFrame(
            regions, columns=["Entry", "Length", "Domain [FT]", "Region", "Compositional bias", "Repeat", "Motif"]
        ),
    )


def _mutated(motifs: _Residues, rate: float, generator: np.random.Generator) -> _Residues:
    """One protein's copy of all motifs; a mutated residue becomes any other, by natural frequency."""
    copies = motifs.copy()
    for place in np.argwhere(generator.random(motifs.shape) < rate):
        others = np.where(copies[*place] == _RESIDUES, 0, _FREQUENCIES)
        copies[*place] = generator.choice(_RESIDUES, p=others / others.sum())
    return copies


def _sequence(length: int, motifs: _Residues, planted: int, start: int, generator: np.random.Generator) -> str:
    """Natural residues around the planted motif (if any), with the residues of all other motifs scattered among them.

    Parameters
    ----------
    length : int
        Residues of the protein.
    motifs : ndarray, shape (2K, motif length), str
        The protein's copies of all motifs.
    planted : int
        Row of the motif to plant, or `NO_SITE`.
    start : int
        0-based first residue of the site.
    generator : numpy Generator
        Draws the natural residues and the order.
    """
    in_place = np.arange(len(motifs)) == planted
    site, scattered = motifs[in_place].ravel(), motifs[~in_place].ravel()
    natural = generator.choice(_RESIDUES, size=length - motifs.size, p=_FREQUENCIES)
    others = generator.permutation(np.concatenate([natural, scattered]))
    return "".join(np.concatenate([others[:start], site, others[start:]]))
