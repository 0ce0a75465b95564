"""Parameters of `functional_regions`."""

from typing import Annotated, Final, Literal

from pydantic import Field

from esm2_amp.parameters.base import Parameters

LeftOut = Literal["stop", "leave_out"]
MOST_RANKS: Final = 20


class RegionParameters(Parameters):
    """What is looked at, and how sure one may be of it.

    Attributes
    ----------
    explained_model, explained_by : str
        The model and the method of explanation whose importances are used.
    types : list of str, optional
        Types of regions; by default those that the source usually has.
    ranks : int
        How many top and low segments of a pair.
    thresholds : list of float
        Coverages, in percent of a segment's residues, from which a segment is a hit.
    group : {"all", "1-1", "1-0", "0-1", "0-0"}
        Pairs by label and decision.
    unannotated : {"count", "leave_out"}
        Whether proteins without annotation count as covered 0, or their pairs are left out.
    length_mismatch : {"stop", "leave_out"}
        What happens where a sequence has another length than its annotation says.
    malformed : {"report", "stop"}
        What happens to regions that can't be read or don't lie on the sequence.
    permutations : int
        Draws from each null model.
    replicates : int
        Of the bootstrap over proteins.
    level : float
        Differences with a q-value up to it are called.
    map_pairs : list of str
        Pairs to draw, as `P1-P2`; in a text separated by blanks or semicolons. By default the first ones.
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
    unannotated: Literal["count", "leave_out"]
    length_mismatch: LeftOut
    malformed: Literal["report", "stop"]
    permutations: int = Field(ge=100)
    replicates: int = Field(ge=100)
    level: float = Field(gt=0, lt=1)
    map_pairs: list[str] | str | None
    maps: int = Field(ge=0)
    data_name: str
