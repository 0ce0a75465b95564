"""The results of the tests of enrichment in words."""

from typing import Final

import pandas as pd

from esm2_amp.regions.chance import DEPLETED, ENRICHED, NO_DIFFERENCE, NOT_ANNOTATED, SHIFTED_REGIONS
from esm2_amp.regions.enrichment import RANDOM_SEGMENTS
from esm2_amp.regions.segments import group_in_words
from esm2_amp.regions.types import ALL

_VERDICTS = {ENRICHED: "enriched in", DEPLETED: "depleted in", NO_DIFFERENCE: "no different from chance in"}
_DOUBTS = {ENRICHED: "enriched", DEPLETED: "depleted", NO_DIFFERENCE: "no more than chance"}


TOO_FEW: Final = "too few pairs to test"
"""How a line on a group that isn't tested goes on."""


def summarise(enrichment: pd.DataFrame, small: pd.Series | None = None, fewest: int = 0) -> pd.DataFrame:
    """One line in plain words for each group of pairs and type of region, and one for each group that is too small.

    Parameters
    ----------
    enrichment : DataFrame
        The table of `enrichment.enrichment`.
    small : Series of int, optional
        Pairs of each group that isn't tested, by its name.
    fewest : int
        Pairs that a tested group must have.

    Returns
    -------
    table : DataFrame
        `Group`, `RegionType`, `Summary`.
    """
    rows = []
    for (group, kind), table in enrichment.groupby(["Group", "RegionType"], sort=False):
        random = table[table["Against"] == RANDOM_SEGMENTS].set_index("Selection")
        shifted = table[table["Against"] == SHIFTED_REGIONS].set_index("Selection")["Verdict"]
        if (random["Verdict"] == NOT_ANNOTATED).all():
            words = "not annotated in these proteins"
        else:
            selections = random.index.astype("str")
            words = "; ".join(_words(name.lower(), random.loc[name], shifted.loc[name]) for name in selections)
        rows.append((group, kind, f"{group_in_words(str(group))}, {kind}: {words}"))
    for group, pairs in () if small is None else small.items():
        words = f"{TOO_FEW} ({pairs}; {fewest} are needed)"
        rows.append((group, ALL, f"{group_in_words(str(group))}: {words}"))
    return pd.DataFrame(rows, columns=["Group", "RegionType", "Summary"])


def _words(selection: str, random: pd.Series, shifted: str) -> str:
    """The comparison of a selection with random segments, and the verdict against shifted regions where it differs."""
    doubt = "" if shifted == random["Verdict"] else f", but by shifted regions {_DOUBTS.get(shifted, shifted)}"
    q = f"{random['Q']:.2g}" if pd.notna(random["Q"]) else "undefined"
    numbers = f"{random['CoveragePercent']:.1f} % covered, {random['ExpectedPercent']:.1f} % expected, q = {q}"
    return f"{_VERDICTS.get(random['Verdict'], NOT_ANNOTATED + ' in')} {selection} segments ({numbers}{doubt})"
