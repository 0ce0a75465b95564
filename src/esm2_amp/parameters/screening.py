"""Parameters of `screening`."""

from typing import Annotated, Literal

from pydantic import Field, NonNegativeInt

from esm2_amp.parameters.base import Count, Fraction, Parameters
from esm2_amp.parameters.run import Precision


class ScreeningParameters(Parameters):
    """Which pairs are scored, what is kept of them, and how.

    Attributes
    ----------
    data_name : str
        What the report calls the proteins.
    top : int
        Best partners that are kept of each protein, or of each query where queries are given.
    threshold : float
        Probability from which every pair is kept.
    prevalence : float, optional
        Share of the screened pairs that are thought to interact. With it the calibrated probability is moved from the
        validation pairs' share to this one.
    self_pairs : bool
        Whether a protein is paired with itself.
    background : int
        Where queries are given, the partners found are also scored with so many others, drawn at random, to tell
        those that score high with everything; 0 leaves that out.
    most_candidates : int
        Most pairs that may be kept; a screen that would keep more stops before it begins.
    most_edges : int
        Most pairs, the best ones, that are drawn as a network.
    known_among : {"known_proteins", "all"}, optional
        Among which pairs known ones are looked for: those of two proteins that have known partners, or all. By default
        the first, and all where queries are given.
    known_of_training : bool
        Whether known pairs of two proteins that the model was trained on count, too.
    precision : {"auto", "float32", "bfloat16"}
        Number format of the network while it scores; `auto` is bfloat16 where the processor has instructions for it.
        bfloat16 has 3 digits: partners whose scores differ by less are tied.
    pairs_per_tile : int
        Pairs scored between two chances to stop and go on.
    save_every : float
        Seconds between two writes of what is kept so far: about the most that a killed run loses.
    """

    data_name: str = ""
    top: Count
    threshold: Fraction
    prevalence: Fraction | None = None
    self_pairs: bool = False
    background: NonNegativeInt = 200
    most_candidates: Count = 5_000_000
    most_edges: Count = 2_000
    known_among: Literal["known_proteins", "all"] | None = None
    known_of_training: bool = False
    precision: Precision = "float32"
    pairs_per_tile: Count = 65_536
    save_every: Annotated[float, Field(ge=0)] = 60.0
