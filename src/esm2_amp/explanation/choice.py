"""Which method's explanation is looked up in annotated regions: the one that earned it in this run."""

from collections.abc import Collection
from typing import Final, NamedTuple

import pandas as pd

from esm2_amp.explanation.faithfulness import CURVES, RANDOM
from esm2_amp.explanation.methods import METHODS

AUTO: Final = "auto"
"""The name of the choice by what a run measured."""

USUAL: Final = "integrated_gradients"
"""The method where nothing was measured: it alone is of the score itself, with values that add up to it."""


class Choice(NamedTuple):
    """A method, and why it was chosen, as the end of a sentence."""

    method: str
    why: str


def best_method(
    methods: Collection[str], planted_truth: pd.DataFrame | None, faithfulness: pd.DataFrame | None
) -> Choice:
    """The method that names planted sites most often, or else that is most faithful to the score.

    Only methods that explain the model itself are chosen, not those that explain a classifier of latents.

    Parameters
    ----------
    methods : collection of str
        The methods that there are explanations by.
    planted_truth : DataFrame, optional
        As from `esm2_amp.explanation.planted.planted_truth`.
    faithfulness : DataFrame, optional
        The areas of `esm2_amp.explanation.faithfulness`.
    """
    able = [name for name in methods if name in METHODS and METHODS[name].needs == "model"]
    found = _by_planted_truth(able, planted_truth) or _by_faithfulness(able, faithfulness)
    if found is not None:
        return found
    if USUAL in able or not methods:
        return Choice(USUAL, "neither planted truth nor faithfulness tells the methods apart")
    return Choice(able[0] if able else next(iter(methods)), f"there is no explanation by {METHODS[USUAL].name}")


def _by_planted_truth(able: Collection[str], table: pd.DataFrame | None) -> Choice | None:
    if table is None or table.empty:
        return None
    rows = table[table["Method"].isin(able) & (table["Top"] == table["Top"].min())]
    if rows.empty or rows["Rate"].max() <= 0:
        return None
    best = rows.sort_values("Rate", ascending=False, kind="stable").iloc[0]
    why = (
        f"its top token holds a planted site in {best['Rate']:.0%} ({best['Low']:.0%} to {best['High']:.0%}) of "
        f"{best['Pairs']:,} recognised pairs, most of all methods"
    )
    return Choice(str(best["Method"]), why)


def _by_faithfulness(able: Collection[str], table: pd.DataFrame | None) -> Choice | None:
    """The largest mean gain on random orders; none where no method is better than random."""
    if table is None or table.empty:
        return None
    rows = table[table["Method"].isin(able) & (table["Method"] != RANDOM)]
    better = rows.loc[rows["Verdict"] == "better than random", "Method"]
    rows = rows[rows["Method"].isin(better)]
    if rows.empty:
        return None
    gain = (rows["Difference"] * rows["Curve"].map(CURVES)).groupby(rows["Method"], sort=False).mean()
    why = f"deleting and inserting the tokens it names moves the score most, {gain.max():.3f} beyond random orders"
    return Choice(str(gain.idxmax()), why)
