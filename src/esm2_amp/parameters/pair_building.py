"""Parameters of `pair_building`."""

from typing import Annotated, Final, Literal

from pydantic import Field, model_validator

from esm2_amp.parameters.base import Fraction, Parameters

Split = Literal["train", "validation", "test"]

SPLITS: Final[tuple[Split, ...]] = ("train", "validation", "test")


class SimilarityThresholds(Parameters):
    """When MMseqs2 calls two proteins similar.

    Attributes
    ----------
    identity : float
        Smallest share of identical residues in their alignment, gaps counted.
    coverage : float
        Smallest share of each of the two sequences that the alignment spans.
    sensitivity : float
        Sensitivity of MMseqs2's prefilter, 1 (fast) to 7.5. At 4, nothing is lost on the 11,019 proteins of Bernett et
        al. against 5.7, its default for searches, at 40 % identity and 80 % coverage; lower identities need more.
    """

    identity: float = Field(default=0.4, gt=0, le=1)
    coverage: float = Field(default=0.8, gt=0, le=1)
    sensitivity: float = Field(default=4.0, ge=1, le=7.5)


class SimilarityParameters(SimilarityThresholds):
    """When proteins are similar, and whether such proteins are searched for.

    Attributes
    ----------
    enabled : bool
        Whether the audit counts similar proteins in different splits. `split: cluster_disjoint` searches for them in
        any case.
    """

    enabled: bool


class PairParameters(Parameters):
    """Which pairs are kept, and how they are split.

    Attributes
    ----------
    self_pairs, duplicate_pairs : {"keep", "drop"}
        What happens to pairs of a protein with itself, and to pairs given again, also as B-A after A-B.
    split : {"files", "random", "protein_disjoint", "cluster_disjoint"}
        How pairs are split: as three pair files give it, or made from one file: at random, with no protein in two
        splits, or with no protein in one that is similar to a protein in another.
    disjoint_proteins : bool
        Whether no protein is supposed to be in two splits, as `protein_disjoint` and `cluster_disjoint` always claim.
    similarity : SimilarityParameters
        When proteins are similar, for `cluster_disjoint` and the audit.
    validation_fraction, test_fraction : float
        Shares of the kept pairs, for the splits that are made.
    sample : dict
        The most pairs of each split, drawn evenly; a split that isn't named keeps all.
    """

    self_pairs: Literal["keep", "drop"]
    duplicate_pairs: Literal["keep", "drop"]
    split: Literal["files", "random", "protein_disjoint", "cluster_disjoint"]
    disjoint_proteins: bool
    similarity: SimilarityParameters
    validation_fraction: Fraction
    test_fraction: Fraction
    sample: dict[Split, Annotated[int, Field(ge=1)] | None]

    @model_validator(mode="after")
    def _leave_pairs_for_training(self) -> "PairParameters":
        if self.validation_fraction + self.test_fraction >= 1:
            raise ValueError("validation_fraction + test_fraction must be below 1")
        return self

    @property
    def claims_disjoint_proteins(self) -> bool:
        """Whether a protein in two splits is an error."""
        return self.disjoint_proteins or self.split in ("protein_disjoint", "cluster_disjoint")

    @property
    def compares_sequences(self) -> bool:
        """Whether similar proteins are needed."""
        return self.similarity.enabled or self.split == "cluster_disjoint"
