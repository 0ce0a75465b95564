"""How sure scores are, and whether that is worth anything: risk and coverage, and an ensemble beside its members."""

from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from esm2_amp.evaluation.assessment import REPORTED_SPLIT
from esm2_amp.models.scoring import PairScores
from esm2_amp.models.unlikeness import SPREAD, UNLIKENESS
from esm2_amp.statistics.intervals import bootstrap, intervals, paired_differences
from esm2_amp.statistics.risk_coverage import COVERAGES, risk_coverage

MEASURES: Final = {
    "probability": "distance of the calibrated probability from 0.5",
    "spread": "agreement of the members",
    "unlikeness": "likeness to the training proteins",
}
"""By what one is sure of a pair, in words."""

HALF: Final = 0.5
"""The coverage of which tables tell."""

ENSEMBLE: Final = "ensemble"
"""The row of the ensemble among those of its members."""

SUREST_COLUMNS: Final = (
    "Model", "Measure", "Pairs", "Accuracy", "SurestAccuracy", "SurestAccuracyLow", "SurestAccuracyHigh", "Gain",
    "GainLow", "GainHigh", "Brier", "SurestBrier", "SurestBrierLow", "SurestBrierHigh",
)  # fmt: skip
MEMBER_COLUMNS: Final = (
    "Model", "Member", "AUROC", "Low", "High", "Difference", "DifferenceLow", "DifferenceHigh", "Verdict",
)  # fmt: skip

_BETTER: Final = "better"
_LOGIT_OF_MEMBER: Final = "LogitOfMember"


class Uncertainty(NamedTuple):
    """How sure the scores of the test pairs are.

    Attributes
    ----------
    curves : DataFrame
        `Model`, then the columns of `risk_coverage`: `Measure`, one of `MEASURES`; `Coverage`; `Pairs`; `Error`, one
        minus the accuracy, and `Brier`, that of the calibrated probability, with their 95 % intervals.
    surest : DataFrame
        `SUREST_COLUMNS`, a row for each model and measure: the accuracy of all pairs and of the half that one is
        surest of, and how much better the half is, with intervals by the same replicates.
    members : DataFrame
        `MEMBER_COLUMNS`, for each ensemble its own AUROC and that of its members, and `Difference`, the ensemble's
        minus the member's, with its paired interval. Without rows where no model is an ensemble.
    """

    curves: pd.DataFrame
    surest: pd.DataFrame
    members: pd.DataFrame


def member_columns(scores: PairScores) -> dict[str, NDArray[np.float32]]:
    """The logits of an ensemble's members as columns `LogitOfMember1` and so on; none of a single network."""
    if scores.spread is None:
        return {}
    return {f"{_LOGIT_OF_MEMBER}{number}": logit for number, logit in enumerate(scores.members.T, start=1)}


def measure_uncertainty(scored: Mapping[str, pd.DataFrame], *, replicates: int, seed: int) -> Uncertainty:
    """Measure risk and coverage of models on the test pairs, and ensembles beside their members.

    Parameters
    ----------
    scored : mapping of DataFrame
        Scored pairs by model, as `evaluate_model` gives them.
    replicates : int
        Bootstrap replicates behind each interval.
    seed : int
        Seed of the bootstrap.
    """
    curves, surest, members = [], [], []
    for model, table in scored.items():
        pairs = table[table["Split"] == REPORTED_SPLIT]
        proteins = pairs["Protein1"], pairs["Protein2"]
        found, less = risk_coverage(sureness_of(pairs), _losses(pairs), *proteins, replicates=replicates, seed=seed)
        curves.append(found.assign(Model=model)[["Model", *found]])
        surest.append(_surest(model, found, less))
        members += [(model, *row) for row in _beside_members(pairs, replicates, seed)]
    return Uncertainty(
        pd.concat(curves, ignore_index=True),
        pd.concat(surest, ignore_index=True),
        pd.DataFrame(members, columns=list(MEMBER_COLUMNS)),
    )


def sureness_of(pairs: pd.DataFrame) -> dict[str, NDArray[np.float64]]:
    """Each of `MEASURES` that scored pairs have, the higher the surer: shape (B,)."""
    found = {"probability": np.abs(_calibrated(pairs) - 0.5)}
    for measure, column in (("spread", SPREAD), ("unlikeness", UNLIKENESS)):
        if column in pairs:
            found[measure] = -pairs[column].to_numpy(np.float64)
    return found


def uncertainty_lines(surest: pd.DataFrame, members: pd.DataFrame) -> Iterator[str]:
    """The tables for the log, in lines that fit a terminal of 80 columns beside the time and level."""
    width = surest["Model"].str.len().max()
    halves = surest.pivot_table("SurestAccuracy", "Model", "Measure", sort=False)
    accuracies = dict(zip(surest["Model"], surest["Accuracy"], strict=True))
    yield "Accuracy of all pairs, and of the half that are surest by"
    yield f"{'':{width}}    all" + "".join(f"  {measure}" for measure in halves)
    for model in halves.index:
        of_model = halves.loc[model].to_dict()
        values = (f"  {'–' if np.isnan(half) else f'{half:.3f}':>{len(name)}}" for name, half in of_model.items())
        yield f"{model!s:<{width}}  {accuracies[model]:.3f}" + "".join(values)
    for model, table in members.groupby("Model", sort=False):
        of_members = table[table["Member"] != ENSEMBLE]
        better = int((of_members["Verdict"] == _BETTER).sum())
        yield (
            f"{model!s:<{width}}  AUROC {table['AUROC'].iloc[0]:.3f}, of members {of_members['AUROC'].min():.3f} to "
            f"{of_members['AUROC'].max():.3f}"
        )
        yield f"{'':{width}}  better than {better} of {len(of_members)} members"


def _calibrated(pairs: pd.DataFrame) -> NDArray[np.float64]:
    """Calibrated probabilities; as they are where the model has no temperature."""
    return pairs["CalibratedProbability"].fillna(pairs["Probability"]).to_numpy(np.float64)


def _losses(pairs: pd.DataFrame) -> pd.DataFrame:
    label = pairs["Label"].to_numpy()
    error = pairs["Prediction"].to_numpy() != label
    return pd.DataFrame({"Error": error.astype(np.float64), "Brier": np.square(_calibrated(pairs) - label)})


def _surest(model: str, curves: pd.DataFrame, less: pd.DataFrame) -> pd.DataFrame:
    """`SUREST_COLUMNS` of a model: accuracies are one minus errors, so that the ends of intervals change places."""
    half, whole, gain = (
        table[table["Coverage"] == coverage].reset_index(drop=True)
        for table, coverage in ((curves, HALF), (curves, COVERAGES[-1]), (less, HALF))
    )
    found = half[["Measure", "Pairs"]].assign(Model=model, Accuracy=1 - whole["Error"], Brier=whole["Brier"])
    for end, opposite in (("", ""), ("Low", "High"), ("High", "Low")):
        found[f"SurestAccuracy{end}"] = 1 - half[f"Error{opposite}"]
        found[f"Gain{end}"] = -gain[f"Error{opposite}"]
        found[f"SurestBrier{end}"] = half[f"Brier{end}"]
    return found[list(SUREST_COLUMNS)]


def _beside_members(pairs: pd.DataFrame, replicates: int, seed: int) -> Iterator[tuple[object, ...]]:
    """`MEMBER_COLUMNS` but for the model; nothing of a single network."""
    columns = [name for name in pairs.columns if name.startswith(_LOGIT_OF_MEMBER)]
    if not columns:
        return
    named = {ENSEMBLE: pairs["Logit"]} | {name.removeprefix(_LOGIT_OF_MEMBER): pairs[name] for name in columns}
    sample = bootstrap(pairs["Label"], named, pairs["Protein1"], pairs["Protein2"], replicates=replicates, seed=seed)
    own, less = intervals(sample), paired_differences(sample)
    own, less = (table[table["Metric"] == "AUROC"] for table in (own, less))
    of_member = less[less["ModelA"] == ENSEMBLE].set_index("ModelB")
    for name, *auroc in own[["Model", "Value", "Low", "High"]].to_numpy().tolist():
        if name == ENSEMBLE:
            yield name, *auroc, np.nan, np.nan, np.nan, ""
            continue
        *difference, verdict = of_member.loc[name, ["Difference", "Low", "High", "Verdict"]]
        words = {f"{ENSEMBLE} better": _BETTER, f"{name} better": "worse"}
        yield name, *auroc, *difference, words.get(verdict, verdict)
