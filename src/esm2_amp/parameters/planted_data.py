"""Parameters of `planted_data`."""

from typing import Annotated

from pydantic import Field

from esm2_amp.parameters.base import Parameters


class SplitCounts(Parameters):
    """How many proteins, or pairs, each split holds."""

    train: int = Field(ge=2)
    validation: int = Field(ge=2)
    test: int = Field(ge=2)


class PlantedParameters(Parameters):
    """What a planted interactome looks like.

    Attributes
    ----------
    seed : int
        Seed of what is drawn at random.
    n_proteins, n_pairs : SplitCounts
        No protein belongs to two splits. Half the pairs interact; of the others one half are hard (both partners
        carry a site) and one half have a partner without a site.
    n_families : int
        Families of a lock and its key.
    motif_length : int
        Residues of a site.
    length_range : tuple of two int
        Shortest and longest protein, in residues.
    carrier_fraction : float
        Share of the proteins that carry a site.
    mutation_rate : float
        Chance of each motif residue, in each protein, to be another one than the motif's.
    """

    seed: int = Field(default=0, ge=0)
    n_proteins: SplitCounts = SplitCounts(train=600, validation=150, test=150)
    n_pairs: SplitCounts = SplitCounts(train=4000, validation=800, test=800)
    n_families: int = Field(default=3, ge=1)
    motif_length: int = Field(default=10, ge=8, le=12)
    length_range: tuple[Annotated[int, Field(ge=1)], int] = (100, 160)
    carrier_fraction: float = Field(default=0.75, gt=0, le=1)
    mutation_rate: float = Field(default=0.0, ge=0, le=1)
