"""Nodes of `finetuning`: an encoder adapted to pairs together with the model that reads its vectors."""

import logging
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd

from esm2_amp.columns import with_column_names
from esm2_amp.parameters.feature_extraction import ExtractionParameters
from esm2_amp.parameters.finetuning import FinetuningParameters
from esm2_amp.parameters.run import Device, RunParameters
from esm2_amp.pipelines.types import Encoder, EsmModel, Figure, Tensor, TrainedModel
from esm2_amp.progress import Progress

logger = logging.getLogger(__name__)

_OF_THE_MODEL_BEFORE = {"features", "selected_epoch", "temperature", "versions", "evaluation", "name"}
"""Entries of a card that don't hold for the tuned model."""


def finetune_encoder(
    pairs: pd.DataFrame,
    proteins: pd.DataFrame,
    encoder: Callable[[], Encoder],
    model: TrainedModel,
    checkpoints: Path,
    parameters: FinetuningParameters,
    extraction: ExtractionParameters,
    run: RunParameters,
) -> tuple[EsmModel, TrainedModel, pd.DataFrame]:
    """Train adapters of an encoder and its model on the training pairs, end to end, chosen by the validation pairs.

    Parameters
    ----------
    pairs : DataFrame
        `model_pairs` of `pair_building`.
    proteins : DataFrame
        Columns `Entry`, `Sequence`.
    encoder : callable
        Loads the encoder.
    model : TrainedModel
        Trained on the encoder's features and these pairs; the fine-tuning starts from it.
    checkpoints : Path
        Folder that an interrupted fine-tuning goes on from.
    parameters : FinetuningParameters
        Adapters, and how they are trained.
    extraction : ExtractionParameters
        Which proteins are read in windows.
    run : RunParameters
        Device and seed.

    Returns
    -------
    encoder : EsmModel
        With the adapters' changes in its weights.
    tuned : TrainedModel
        The network that reads its vectors; its card lacks the features that it reads, and a temperature.
    record : DataFrame
        One row per epoch.

    Raises
    ------
    InputError
        There are no sequences, the model doesn't belong to pairs or encoder, or adapters don't fit the encoder.
    """
    import torch

    from esm2_amp.finetuning.adapters import check_adapters
    from esm2_amp.finetuning.fit import finetune
    from esm2_amp.finetuning.pieces import Sequences
    from esm2_amp.finetuning.start import Start, check_model
    from esm2_amp.pairs import Pairs, protein_rows

    pairs = _fitted(pairs)
    check_model(model, pairs, proteins, extraction.embedding)
    start, used = Start.of(model, encoder()), _in_pairs(proteins, pairs)
    check_adapters(parameters, start.encoder.weights)
    entries = used["Entry"].tolist()
    sequences = Sequences(entries, used["Sequence"].tolist(), extraction.embedding, parameters.tokens_at_once)
    rows = Pairs.of_rows(torch.empty(0), *protein_rows(entries, pairs), pairs["label"])  # vectors are computed
    training, validation = (rows.take((pairs["split"] == split).to_numpy()) for split in ("train", "validation"))
    logger.info(
        "Adapters of rank %d for %s with %s: %s training pairs, %s validation pairs of %s proteins",
        parameters.rank, start.encoder.source, model.architecture,
        f"{len(training):,}", f"{len(validation):,}", f"{len(used):,}",
    )  # fmt: skip
    tuned = finetune(
        start, sequences, training, validation, parameters, folder=checkpoints, device=run.device, seed=run.seed
    )
    before = {name: model.card[name] for name in ("features", "selected_epoch")}
    kept = {name: value for name, value in model.card.items() if name not in _OF_THE_MODEL_BEFORE}
    selected = tuned.record[tuned.record["selected"]].iloc[0].drop("selected").astype(float).to_dict()
    card = kept | {
        "finetuning": {"settings": parameters.model_dump(), "before": before},
        "seed": run.seed,
        "selected_epoch": selected,
    }
    described = model._replace(network=tuned.network, card=card, average_protein=None)
    return tuned.encoder, described, with_column_names(tuned.record)


def describe_finetuned(
    load: Callable[[], Encoder],
    tuned: TrainedModel,
    record: pd.DataFrame,
    pairs: pd.DataFrame,
    proteins: pd.DataFrame,
    extraction: ExtractionParameters,
    run: RunParameters,
) -> tuple[TrainedModel, str, Figure]:
    """The tuned model with its card and a temperature, and the card of the tuned encoder.

    The proteins are embedded by the stored encoder, as every later run does.

    Parameters
    ----------
    load : callable
        Reads the stored encoder.
    tuned, record
        The results of `finetune_encoder`.
    pairs, proteins, extraction, run
        As for `finetune_encoder`.

    Returns
    -------
    described : TrainedModel
        Its card has the tuned encoder's fingerprint, so that features of another are refused.
    page : str
        The encoder's card, Markdown with the head that model hubs read.
    figure : Figure
        Loss, MCC and AUROC over the epochs, with those before.
    """
    from esm2_amp.devices import resolve_device
    from esm2_amp.models.scoring import score_pairs
    from esm2_amp.pairs import Pairs, protein_rows
    from esm2_amp.statistics.calibration import fit_temperature
    from esm2_amp.training.figures import training_figure

    encoder, pairs = load(), _fitted(pairs)
    used = _in_pairs(proteins, pairs)
    a, b = protein_rows(used["Entry"].tolist(), pairs)
    table = _embedded(encoder, used["Sequence"].tolist(), extraction, run.device)[:, tuned.network.protein_tokens]
    training, validation = (
        Pairs.of_rows(table, a[rows], b[rows])
        for rows in ((pairs["split"] == split).to_numpy() for split in ("train", "validation"))
    )
    label = pairs.loc[pairs["split"] == "validation", "label"].to_numpy()
    logit = score_pairs(tuned.network, validation, batch_size=run.scoring_batch_size, device=resolve_device(run.device))
    before, selected = tuned.card["finetuning"]["before"]["selected_epoch"], tuned.card["selected_epoch"]
    options = extraction.embedding.model_dump(exclude={"tokens_per_batch"}) | {"stored_as": extraction.stored_as}
    features = {"encoder": encoder.source, "fingerprint": encoder.fingerprint, "options": options}
    card = tuned.card | {
        "features": {"width": encoder.width, **features},
        "temperature": fit_temperature(label, logit, tuned.architecture),
        "versions": {name: version(name) for name in ("esm2_amp", "torch", "lightning", "peft")},
    }
    logger.info(
        "Validation AUROC %.4f, before %.4f; use %s as encoder= beside the tuned model",
        selected["validation_auroc"], before["validation_auroc"], encoder.source,
    )  # fmt: skip
    described = tuned._replace(card=card, average_protein=training.average_protein())
    title = f"{tuned.architecture} with its encoder, {run.data_name}"
    return described, _page(encoder, card), training_figure(record, title, before)


def _fitted(pairs: pd.DataFrame) -> pd.DataFrame:
    """The pairs that take part in a fit."""
    return pairs[pairs["split"].isin(["train", "validation"])]


def _in_pairs(proteins: pd.DataFrame, pairs: pd.DataFrame) -> pd.DataFrame:
    """The proteins that pairs name."""
    named = pd.unique(pairs[["Protein1", "Protein2"]].to_numpy().ravel())
    return proteins[proteins["Entry"].isin(named)]


def _embedded(encoder: Encoder, sequences: list[str], extraction: ExtractionParameters, device: Device) -> Tensor:
    from esm2_amp.devices import resolve_device
    from esm2_amp.encoder.embedding import embed

    progress = Progress(logger, "embedding residues", sum(map(len, sequences)))
    return embed(encoder, sequences, extraction.embedding, resolve_device(device), progress.add)


def _page(encoder: Encoder, card: dict[str, Any]) -> str:
    from esm2_amp.report.cards import MeasuredValue, model_card

    parameters = FinetuningParameters.model_validate(card["finetuning"]["settings"])
    folder, after = Path(encoder.source), card["selected_epoch"]
    return model_card(
        "finetuned_encoder.md.j2",
        name=f"{folder.parent.name}/{folder.name}",
        licence=parameters.licence,
        tags=["biology", "protein-language-model", "esm", "lora"],
        task="protein-protein interaction prediction",
        measured=[MeasuredValue(f"validation pairs of {card['data']}", "AUROC", after["validation_auroc"])],
        fingerprint=encoder.fingerprint,
        card=card,
        before=card["finetuning"]["before"],
        parameters=parameters,
    )
