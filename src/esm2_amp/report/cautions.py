"""What a reader should know before believing a figure, in sentences."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

import pandas as pd

from esm2_amp.explanation.faithfulness import RANDOM
from esm2_amp.explanation.methods import LOW_AUROC, METHODS
from esm2_amp.explanation.residue_deletion import WORSE
from esm2_amp.parameters.pair_building import SPLITS
from esm2_amp.report.parts import Caution
from esm2_amp.splits.audit import order_tells_label
from esm2_amp.statistics.intervals import NOT_DISTINGUISHABLE

WIDE_INTERVAL: Final = 0.1
"""Width of an interval of AUROC from which the test split is reported to be small."""

OFTEN_WRONG: Final = 0.1
"""Probabilities whose calibrated expected error is larger aren't to be read as frequencies."""

ORDER_MATTERS: Final = 0.02
"""Change of AUROC with the order of partners from which it is reported."""

HARDLY_CHANGED: Final = 0.5
"""Rank correlation with the trained model's explanation from which one by random weights hardly differs from it."""

_LATENT_METHODS: Final = {
    "AE_RF": "Tree SHAP and Gini",
    "AE_DNN": "Deep SHAP and Integrated Gradients on latents",
}


def of_data(data_name: str) -> list[str]:
    """What makes results say nothing about proteins, whatever the models: data that someone made up.

    Parameters
    ----------
    data_name : str
        What figures call the data.
    """
    if "synthetic" not in data_name.lower():
        return []
    return [
        f"The data is synthetic: {data_name}. Its figures show that the method works where the truth is known, and say "
        "nothing about real proteins."
    ]


def of_split(report: Mapping[str, Any]) -> Iterator[str]:
    """What a model can have learnt of its test pairs because of the split.

    Parameters
    ----------
    report : mapping
        `leakage_audit` of `pair_building`.
    """
    audit, test = report["audit"], report["test"]
    seen = audit["splits"]["test"]["seen_in_training"]
    if known := seen["C1"] + seen["C2"]:
        yield (
            f"{known:,} of {test['pairs']:,} test pairs have a protein that is in training pairs, too "
            f"(C1 {seen['C1']:,}, C2 {seen['C2']:,}): their figures measure how well new pairs of known proteins are "
            "predicted, not those of new proteins. See C3 alone."
        )
    shared = audit["shared"]["train-test"]
    if shared["identical_sequences"]:
        yield f"{shared['identical_sequences']:,} sequences are in training and test under different names."
    if shared.get("similar_proteins"):
        yield f"{shared['similar_proteins']:,} times a test protein is similar to a training protein."
    telling = [
        f"{split} {audit['splits'][split]['order_auroc']:.3f}"
        for split in SPLITS
        if order_tells_label(audit["splits"][split]["order_auroc"], report[split]["pairs"], report[split]["positives"])
    ]
    if telling:
        yield (
            f"The order of a pair's proteins predicts its label (AUROC by which of them has more pairs: "
            f"{', '.join(telling)}). Models that aren't symmetric can learn that instead of biology."
        )


def of_comparison(models: pd.DataFrame, against_reference: pd.DataFrame, reference: str) -> Iterator[str]:
    """Reasons to doubt the models by their comparison with baselines.

    Parameters
    ----------
    models : DataFrame
        `model_comparison`.
    against_reference : DataFrame
        As from `esm2_amp.evaluation.comparison.against`.
    reference : str
        Name of the baseline.
    """
    verdicts = against_reference.groupby("Verdict", sort=False)["Model"].agg(", ".join)
    networks = models[models["Kind"] == "model"]
    at_chance = _names(networks[(networks["AUROCLow"] <= 0.5) & (networks["AUROCHigh"] >= 0.5)])  # noqa: PLR2004
    alike = verdicts.get(NOT_DISTINGUISHABLE)
    doubt = f"distinguishable from the baseline {reference} by AUROC"
    if alike and alike == at_chance:
        yield f"No better than chance, whose AUROC is 0.5, nor {doubt}: {alike}."
    else:
        if alike:
            yield f"Not {doubt}: {alike}. They may have learnt no more."
        if at_chance:
            yield f"No better than chance, whose AUROC is 0.5: {at_chance}."
    if worse := verdicts.get("worse"):
        yield f"Worse than the baseline {reference} by AUROC: {worse}."
    spread = networks["AUROCHigh"] - networks["AUROCLow"]
    if (widest := spread.max()) > WIDE_INTERVAL:
        yield (
            f"The test split is small: {int(models['Pairs'].iloc[0]):,} pairs leave intervals of AUROC up to "
            f"{widest:.2f} wide."
        )
    if swapped := _names(networks[(networks["AUROC"] - networks["AUROCSwapped"]).abs() > ORDER_MATTERS]):
        yield f"Scores depend on which protein is named first, enough to change AUROC: {swapped}."
    if uncalibrated := _names(networks[networks["ECECalibrated"] > OFTEN_WRONG]):
        yield (
            f"Probabilities are off by more than {OFTEN_WRONG:g} on average, even calibrated: {uncalibrated}. "
            "Read them as an order, not as frequencies."
        )


def of_explanation(model: str, tables: Mapping[str, Any], auroc: float | None) -> Iterator[Caution]:
    """Reasons to doubt a model's explanations.

    Parameters
    ----------
    model : str
        Name of the explained model.
    tables : mapping
        `faithfulness` and `randomised_weights` of `interpretability`, as far as they are there.
    auroc : float, optional
        AUROC of the explained model on test pairs.
    """
    if _is_poor(auroc):
        words = (
            "The explained model hardly separates interacting pairs from others, so that what its scores rest on shows "
            "little about interaction"
        )
        yield Caution(words, f"{model} (AUROC {_shown(auroc)})")
    if (areas := tables.get("faithfulness")) is not None:
        areas = areas[areas["Method"] != RANDOM]
        is_better = (areas["Verdict"] == "better than random").groupby(areas["Method"], sort=False).any()
        if unfaithful := _methods(is_better.index[~is_better]):
            words = "The score rests on the tokens they name no more than on random ones"
            yield Caution(words, f"{unfaithful} ({model})")
    if (randomised := tables.get("randomised_weights")) is not None:
        last = randomised[randomised["Stage"] == randomised["Stage"].max()]
        if unmoved := _methods(last.loc[last["Correlation"] > HARDLY_CHANGED, "Method"]):
            words = "Hardly changed by random weights, and so not of what the model learnt"
            yield Caution(words, f"{unmoved} ({model})")


def of_residues(model: str, masked: pd.DataFrame) -> Iterator[Caution]:
    """Reasons to doubt what is said of the residues that a model's scores rest on.

    Parameters
    ----------
    model : str
        Name of the explained model.
    masked : DataFrame
        `residue_deletion` of `interpretability`.
    """
    by_gradients = masked.loc[masked["Method"] == "Attribution", "Verdict"]
    if by_gradients.isin([NOT_DISTINGUISHABLE, WORSE]).any():
        words = "The score rests on the residues that Integrated Gradients name no more than on random windows"
        yield Caution(words, model)


def of_latents(model: str, aurocs: Mapping[str, float | None]) -> Iterator[Caution]:
    """Reasons to doubt explanations on latents.

    Parameters
    ----------
    model : str
        Name of the model whose features the latents are of.
    aurocs : mapping of float or None
        Of `AE_RF` and `AE_DNN`, the classifiers that are explained, on test pairs.
    """
    for classifier, methods in _LATENT_METHODS.items():
        if _is_poor(aurocs[classifier]):
            words = f"{methods} explain a classifier, {classifier}, that is hardly better than chance"
            yield Caution(words, f"that of {model} (AUROC {_shown(aurocs[classifier])})")


def _is_poor(auroc: float | None) -> bool:
    return auroc is None or auroc < LOW_AUROC


def _shown(auroc: float | None) -> str:
    return "undefined" if auroc is None else f"{auroc:.2f}"


def _names(table: pd.DataFrame) -> str:
    return ", ".join(table["Model"])


def _methods(names: Any) -> str:
    return ", ".join(METHODS[name].name for name in names)
