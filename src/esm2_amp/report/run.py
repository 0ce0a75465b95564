"""The chapter on what was run: data, split, models, seeds, versions."""

import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import Any, Final

import pandas as pd

from esm2_amp.parameters.evaluation import EvaluationParameters
from esm2_amp.parameters.pair_building import SPLITS
from esm2_amp.parameters.run import RunParameters
from esm2_amp.report import cautions
from esm2_amp.report.earlier import mark_of_card, mark_of_record, trained_since
from esm2_amp.report.parts import (
    Block,
    Cell,
    Facts,
    Folded,
    Gallery,
    Group,
    Points,
    Section,
    Settings,
    Table,
    number_cells,
    picture_of,
    table_of,
    text_cells,
)

_SPLITS_IN_WORDS: Final = {
    "files": "as three pair files give it",
    "random": "drawn at random from one pair file",
    "protein_disjoint": "made from one pair file, no protein in two splits",
    "cluster_disjoint": "made from one pair file, no protein in two splits and none like it",
}
_SHOWN_DIGITS: Final = 12
"""Digits of a hash, enough to distinguish two."""

_NOT_REPORTED: Final = ("read", "kept", "positives", "negatives")


def run_chapter(data: Section, models: Section, training: Section | None) -> Section:
    """Describe what was run, so that it can be understood and run again.

    Parameters
    ----------
    data : Section
        Of `data_part`.
    models : Section
        Of `models_part`.
    training : Section, optional
        Of `training_part`.
    """
    facts, *of_models = models.blocks
    blocks = [facts, *data.blocks, *of_models, *(training.blocks if training else ())]
    since = trained_since(models.marks, training.marks if training else {})
    return Section("run", "What was run", blocks, [*since, *data.cautions])


def data_part(
    proteins_report: dict[str, int], pairs_report: dict[str, Any], leakage_audit: dict[str, Any], plot: bytes | None
) -> Section:
    """Describe the data: its split, what was changed in its files, and what the splits share.

    Parameters
    ----------
    proteins_report, pairs_report, leakage_audit : dict
        Of `feature_extraction` and `pair_building`.
    plot : bytes, optional
        PNG of the audit.
    """
    blocks: list[Block] = [
        _split_table(leakage_audit),
        Group("The data, checked", [Points([*_cleaning(proteins_report, pairs_report), *_audit(leakage_audit)])]),
    ]
    if plot is not None:
        words = "Pairs of each protein in positives and in negatives, and proteins in two splits"
        drawn = picture_of(plot, words, colours="scale")
        blocks.append(Folded("Pairs of each protein, by split", [Gallery([drawn], is_wide=True)]))
    return Section("data", "The data", blocks, list(cautions.of_split(leakage_audit)))


def training_part(records: Mapping[str, pd.DataFrame | None], plots: Mapping[str, bytes | None]) -> Section:
    """Show how each model was trained.

    Parameters
    ----------
    records : mapping of DataFrame, optional
        By model: `training_record`.
    plots : mapping of bytes, optional
        By model: PNG of loss and MCC over the epochs.
    """
    words = "Loss and MCC of {} over {:.0f} epochs"
    pictures = [
        picture_of(png, words.format(model, record["Epoch"].max()))
        for model, record in records.items()
        if record is not None and (png := plots[model])
    ]
    blocks = [Folded("How each model was trained", [Gallery(pictures)])] if pictures else []
    marks = {model: mark_of_record(record) for model, record in records.items() if record is not None}
    return Section("training", "How each model was trained", blocks, marks=marks)


def models_part(
    run: RunParameters,
    evaluation: EvaluationParameters,
    descriptions: Sequence[dict[str, Any]],
    plots: Mapping[str, Mapping[str, bytes]],
) -> Section:
    """Describe the models and how they were measured, first of all in facts.

    Parameters
    ----------
    run : RunParameters
        The seed and the name of the data.
    evaluation : EvaluationParameters
        How decisions and intervals were made.
    descriptions : sequence of dict
        Of `evaluation`, for every model that was measured: `model`, its number of `weights`, and its `card`.
    plots : mapping of mapping
        By model: its `evaluation_plots`, with the PNG `summary`.
    """
    settings = {description["model"]: description["card"]["settings"] for description in descriptions}
    words = "ROC and precision-recall curves, confusion matrix and calibration of {} on test pairs"
    pictures = [picture_of(drawn["summary"], words.format(model), colours="scale") for model, drawn in plots.items()]
    blocks: list[Block] = [
        Facts(_facts(run, evaluation, descriptions[0]["card"])),
        Folded(
            "The models, their training and settings",
            [_model_table(descriptions), Settings("All settings of the models", settings)],
        ),
        Folded("Each model's curves, decisions and calibration", [Gallery(pictures)]),
    ]
    marks = {description["model"]: mark_of_card(description["card"]) for description in descriptions}
    return Section("models", "The models", blocks, marks=marks)


def _facts(run: RunParameters, evaluation: EvaluationParameters, card: dict[str, Any]) -> list[tuple[str, str]]:
    features = card["features"]
    versions = {"Python": platform.python_version(), "kedro": version("kedro")} | card["versions"]
    return [
        ("Data", run.data_name),
        ("Encoder", f"{features['encoder']}, vectors of width {features['width']}"),
        ("Fingerprint of its weights", _short(features["fingerprint"])),
        ("SHA-256 of training and validation pairs", _short(card["pairs_sha256"])),
        ("Seeds", f"{card['seed']} of training, {run.seed} of evaluation"),
        ("Intervals", f"95 %, {evaluation.replicates:,} bootstrap replicates over proteins"),
        ("Decision", _decision(evaluation)),
        ("Versions", ", ".join(f"{name} {number}" for name, number in versions.items())),
    ]


def _decision(evaluation: EvaluationParameters) -> str:
    if evaluation.threshold == "validation":
        return "at the threshold of the best MCC on the validation pairs, each model its own"
    return f"interaction from a probability of {evaluation.threshold:g}"


def _split_table(report: dict[str, Any]) -> Table:
    counts = {"Pairs": "pairs", "Interacting": "positives", "Proteins": "proteins"}
    columns = {name: number_cells((report[split][key] for split in SPLITS), ",") for name, key in counts.items()}
    seen = [report["audit"]["splits"][split].get("seen_in_training", {}) for split in SPLITS]
    columns |= {name: number_cells((of_split.get(name) for of_split in seen), ",") for name in ("C1", "C2", "C3")}
    caption = "Pairs by split; with both (C1), one (C2) or no protein (C3) in training pairs"
    return table_of(caption, {"Split": text_cells(SPLITS), **columns})


def _cleaning(proteins: dict[str, int], pairs: dict[str, Any]) -> list[str]:
    """Contents of the files, and what was changed in them."""
    sentences = []
    if proteins["read"]:
        sentences.append(
            f"{proteins['kept']:,} proteins of {proteins['shortest']:,} to {proteins['longest']:,} residues."
        )
    for file, counts in pairs.items():
        changed = [f"{name.replace('_', ' ')} {count:,}" for name, count in counts.items()
                   if count and name not in _NOT_REPORTED]  # fmt: skip
        if changed:
            sentences.append(f"Pair file for {file}: of {counts['read']:,} pairs {counts['kept']:,} were kept; "
                             f"{', '.join(changed)}.")  # fmt: skip
    return sentences


def _audit(report: dict[str, Any]) -> list[str]:
    """The leakage audit in words."""
    audit, test = report["audit"], report["audit"]["splits"]["test"]
    shared, pairs = audit["shared"]["train-test"], report["test"]["pairs"]
    similar = shared.get("similar_proteins")
    order = test["order_auroc"]
    return [
        f"The split is {_SPLITS_IN_WORDS[report['split']]}; {report['pairs_dropped']:,} pairs were left out.",
        f"Training and test have {shared['proteins']:,} proteins in common, and {shared['identical_sequences']:,} "
        "sequences under different names; "
        + ("similar proteins weren't searched." if similar is None else f"{similar:,} times two are similar."),
        f"Of {report['test']['proteins']:,} test proteins {test['only_in_positives']:,} are in interacting pairs only "
        f"and {test['only_in_negatives']:,} in others only.",
        f"In {pairs:,} test pairs, which protein stands first predicts the label with an AUROC of "
        f"{'an undefined value' if order is None else f'{order:.3f}'} (0.5: not at all).",
    ]


def _model_table(descriptions: Sequence[dict[str, Any]]) -> Table:
    cards = [description["card"] for description in descriptions]
    training = pd.DataFrame(card["settings"]["training"] for card in cards)
    members = [len(card.get("members", [""])) for card in cards]
    return table_of(
        "Networks and their training, with AdamW",
        {
            "Model": text_cells(description["model"] for description in descriptions),
            **({"Members": number_cells(members, "d")} if max(members) > 1 else {}),
            "Weights": number_cells((description["weights"] for description in descriptions), ","),
            "Learning rate": number_cells(training["learning_rate"], ".3g"),
            "Weight decay": number_cells(training["weight_decay"], ".3g"),
            "Batch": number_cells(training["batch_size"], ","),
            "Precision": text_cells(training["precision"]),
            "Epochs": number_cells(training["epochs"], ","),
            "Kept epoch": _kept_epochs(cards),
            "Temperature": number_cells(card["temperature"] for card in cards),
            "SHA-256 of weights": text_cells(map(_short_hashes, cards)),
        },
    )


def _kept_epochs(cards: list[dict[str, Any]]) -> list[Cell]:
    """The epoch whose weights each model has; those of all members of an ensemble."""
    if not any("members" in card for card in cards):
        return number_cells((card["selected_epoch"]["epoch"] for card in cards), ".0f")
    epochs = [[of["epoch"] for of in card.get("members") or [card["selected_epoch"]]] for card in cards]
    return [Cell(", ".join(f"{epoch:.0f}" for epoch in of_model), of_model[0]) for of_model in epochs]


def _short_hashes(card: dict[str, Any]) -> str:
    """The hash of a model's weights, or those of all members' weights."""
    found = card.get("weights_sha256", "")
    return ", ".join(map(_short, found.values() if isinstance(found, dict) else [found]))


def _short(digest: str) -> str:
    return f"{digest[:_SHOWN_DIGITS]}…"
