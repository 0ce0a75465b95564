"""What the tests of enrichment say, in words."""

from typing import Final

import pandas as pd

from esm2_amp.regions.enrichment import (
    DEPLETED,
    ENRICHED,
    NO_DIFFERENCE,
    NOT_ANNOTATED,
    RANDOM_SEGMENTS,
    SHIFTED_REGIONS,
)

GROUP_NAMES: Final = {
    "1-1": "true positives",
    "1-0": "false negatives",
    "0-1": "false positives",
    "0-0": "true negatives",
}
"""Pairs by label and decision."""

_WORDS = {ENRICHED: "enriched in", DEPLETED: "depleted in", NO_DIFFERENCE: "no different from chance in"}
_OPINIONS = {ENRICHED: "enriched", DEPLETED: "depleted", NO_DIFFERENCE: "no more than chance"}


def summarise(enrichment: pd.DataFrame) -> pd.DataFrame:
    """One line in plain words for each group and type.

    Parameters
    ----------
    enrichment : DataFrame
        Of `enrichment.enrichment`.

    Returns
    -------
    table : DataFrame
        `group`, `region_type`, `summary`.
    """
    rows = []
    for (group, kind), table in enrichment.groupby(["group", "region_type"], sort=False):
        by_chance = table[table["against"] == RANDOM_SEGMENTS].set_index("selection")
        shifted = table[table["against"] == SHIFTED_REGIONS].set_index("selection")["verdict"]
        if (by_chance["verdict"] == NOT_ANNOTATED).all():
            words = "not annotated in these proteins"
        else:
            opinions = [
                (name.lower(), by_chance.loc[name], shifted.loc[name]) for name in by_chance.index.astype("str")
            ]
            words = "; ".join(_words(*opinion) for opinion in opinions)
        rows.append((group, kind, f"{group} {kind}: {words}"))
    return pd.DataFrame(rows, columns=["group", "region_type", "summary"])


def _words(selection: str, row: pd.Series, shifted: str) -> str:
    doubt = "" if shifted == row["verdict"] else f", but by shifted regions {_OPINIONS.get(shifted, shifted)}"
    numbers = (
        f"{row['coverage_percent']:.1f} % covered, {row['expected_percent']:.1f} % expected, q = {_shown(row['q'])}"
    )
    return f"{_WORDS.get(row['verdict'], NOT_ANNOTATED + ' in')} {selection} segments ({numbers}{doubt})"


def _shown(q: float) -> str:
    return f"{q:.2g}" if pd.notna(q) else "undefined"
