"""Parameters of `functional_regions`."""

from typing import Annotated, Final, Literal

from pydantic import Field

from esm2_amp.parameters.base import Parameters

LeftOut = Literal["stop", "leave_out"]
"""What happens to a protein that can't be used: the run stops, or its pairs are left out."""

MOST_RANKS: Final = 20
"""How many segments a pair has, and so the highest number of ranks."""


class RegionParameters(Parameters):
    """Which segments are looked up in which regions, and how the results are tested and drawn.

    Attributes
    ----------
    explained_model : str
        The model whose importances are ranked.
    explained_by : str
        The method of explanation that gave them; "auto" for the best by planted truth or faithfulness of the run.
    types : list of str, optional
        Types of region that count; by default the usual ones of the source.
    ranks : int
        How many segments of a pair are top, and how many low.
    thresholds : list of float
        Coverages, in percent of a segment's residues, from which a segment is a hit.
    group : {"all", "1-1", "1-0", "0-1", "0-0"}
        The pairs to look at, by label and decision.
    fewest_pairs : int
        Groups of fewer pairs are neither tested nor drawn.
    unannotated : {"count", "leave_out"}
        Whether proteins without annotation count as covered 0, or their pairs are left out.
    length_mismatch : {"stop", "leave_out"}
        What happens where a sequence has another length than its annotation says.
    malformed : {"report", "stop"}
        What happens where regions can't be read or don't lie on the sequence.
    permutations : int
        Draws from each null model.
    replicates : int
        Replicates of the bootstrap over proteins.
    level : float
        Differences with a q-value up to this are called enriched or depleted.
    map_pairs : list of str, or str, optional
        Pairs to draw, as `P1-P2`; in one text, separated by blanks or semicolons. By default
        those of highest probability.
    maps : int
        How many pairs are drawn where none is named.
    data_name : str
        What figures call the data.
    """

    explained_model: str
    explained_by: str
    types: list[str] | None
    ranks: int = Field(ge=1, le=MOST_RANKS)
    thresholds: list[Annotated[float, Field(gt=0, le=100)] | Annotated[int, Field(gt=0, le=100)]] = Field(min_length=1)
    group: Literal["all", "1-1", "1-0", "0-1", "0-0"]
    fewest_pairs: int = Field(ge=1)
    unannotated: Literal["count", "leave_out"]
    length_mismatch: LeftOut
    malformed: Literal["report", "stop"]
    permutations: int = Field(ge=100)
    replicates: int = Field(ge=100)
    level: float = Field(gt=0, lt=1)
    map_pairs: list[str] | str | None
    maps: int = Field(ge=0)
    data_name: str
