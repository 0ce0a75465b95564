"""Nodes of `encoder_pretraining`: a small ESM-2 by masked language modelling, and from a teacher where one is given."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from esm2_amp.columns import with_column_names
from esm2_amp.errors import InputError
from esm2_amp.files import SourceTable
from esm2_amp.parameters.encoder_pretraining import PretrainingParameters
from esm2_amp.parameters.run import Device, RunParameters
from esm2_amp.pipelines.types import (
    Corpus,
    Encoder,
    EsmModel,
    Figure,
    MaskedLanguageModel,
    Perplexities,
    PretrainingData,
)
from esm2_amp.protein import RESIDUES

logger = logging.getLogger(__name__)


class _Agreement(NamedTuple):
    """Mean cosine of the teacher's states with those of the encoder, and with their mean over all tokens."""

    cosine: float
    constant: float


def collect_sequences(
    files: dict[str, Callable[[], SourceTable]], parameters: PretrainingParameters
) -> tuple[pd.DataFrame, dict[str, int]]:
    """Unique sequences of all files, with those to hold out drawn from the seed.

    Parameters
    ----------
    files : dict
        File name → function that reads its proteins.
    parameters : PretrainingParameters
        The number of proteins to hold out, and the seed.

    Returns
    -------
    sequences : DataFrame
        Columns `Sequence`, `held_out`.
    report : dict
        Counts of the sequences that were read and left out.

    Raises
    ------
    InputError
        There is no file, or no more sequences than are to be held out.
    """
    tables = [load().frame["Sequence"] for _, load in sorted(files.items())]
    if not tables:
        raise InputError("encoder_pretraining needs protein files in data/01_raw/pretraining, got none; put them there")
    read = pd.concat(tables, ignore_index=True).str.upper().str.removesuffix("*")
    unique = read.drop_duplicates()
    usable = unique[unique.str.fullmatch(f"[{RESIDUES}]+")].sort_values(ignore_index=True)
    if len(usable) <= parameters.held_out:
        raise InputError(
            f"encoder_pretraining holds out {parameters.held_out} proteins, but only {len(usable)} different "
            "sequences were found in data/01_raw/pretraining; add some or lower held_out"
        )
    order = np.random.default_rng(parameters.seed).permutation(len(usable))
    drawn = usable.iloc[order].reset_index(drop=True)
    sequences = pd.DataFrame({"Sequence": drawn, "held_out": drawn.index < parameters.held_out})
    report = {
        "sequences_read": len(read),
        "different": len(unique),
        "with_other_letters_left_out": len(unique) - len(usable),
        "training": len(usable) - parameters.held_out,
        "held_out": parameters.held_out,
        "training_residues": int(sequences.loc[~sequences["held_out"], "Sequence"].str.len().sum()),
    }
    return sequences, report


def pretrain_encoder(
    sequences: pd.DataFrame,
    checkpoints: Path,
    teacher_states: Path,
    parameters: PretrainingParameters,
    run: RunParameters,
) -> tuple["EsmModel", pd.DataFrame]:
    """Train the encoder, from its last checkpoint when an earlier run was interrupted.

    Parameters
    ----------
    sequences : DataFrame
        The result of `collect_sequences`.
    checkpoints : Path
        Folder of the checkpoints.
    teacher_states : Path
        Folder of the teacher's states, where they are stored.
    parameters : PretrainingParameters
        Size and training of the encoder.
    run : RunParameters
        The device.

    Returns
    -------
    encoder : EsmModel
        Without the language-model head.
    record : DataFrame
        Perplexity of training crops and held-out proteins per epoch; with a teacher, how near its states are, too; and
        `Precision`, `TeacherPrecision`, the number formats that `auto` was.

    Raises
    ------
    InputError
        The teacher isn't an ESM-2, or its states can't be used or stored.
    DivergedError
        A loss is no longer a finite number.
    """
    from esm2_amp.encoder.pretraining_fit import fit_language_model

    parameters = _with_precision(parameters, run.device)
    model, data = _model_and_data(_corpora(sequences), teacher_states, parameters, run.device)
    measured = fit_language_model(
        model,
        data,
        epochs=parameters.epochs,
        precision=parameters.precision,
        gradient_clip=parameters.gradient_clip,
        folder=checkpoints,
        device=run.device,
    )
    record = with_column_names(measured).assign(Precision=parameters.precision)
    if parameters.teacher is not None:
        record["TeacherPrecision"] = parameters.distillation.precision
    return model.network.esm, record


def describe_encoder(
    load: Callable[[], Encoder],
    sequences: pd.DataFrame,
    report: dict[str, int],
    record: pd.DataFrame,
    parameters: PretrainingParameters,
) -> tuple[str, Figure]:
    """The card of the trained encoder, and its loss curves.

    Parameters
    ----------
    load : callable
        Reads the stored encoder.
    sequences, report
        The results of `collect_sequences`.
    record : DataFrame
        The result of `pretrain_encoder`.
    parameters : PretrainingParameters
        Size and training of the encoder, for the card.

    Returns
    -------
    page : str
        Markdown with the head that model hubs read.
    figure : Figure
        Perplexities over the epochs, beside those by counting residues and pairs of neighbours.
    """
    from esm2_amp.encoder.pretraining import counted_perplexities
    from esm2_amp.report.cards import MeasuredValue, model_card

    used, of_teacher = record.iloc[0], parameters.distillation.precision
    parameters = _at_precisions(parameters, used["Precision"], used.get("TeacherPrecision", of_teacher))
    encoder, counted = load(), counted_perplexities(*_corpora(sequences))
    last = float(record["HeldOutPerplexity"].iloc[-1])
    agreement = _agreement(record)
    logger.info(
        "Perplexity of held-out proteins: %.2f; by bigrams %.2f, by amino-acid frequencies %.2f",
        last, counted.bigram, counted.frequencies,
    )  # fmt: skip
    page = model_card(
        "encoder.md.j2",
        name=Path(encoder.source).name,
        licence=parameters.licence,
        tags=["biology", "protein-language-model", "esm"],
        task="fill-mask",
        measured=[
            MeasuredValue("held-out proteins", "perplexity", last),
            *([MeasuredValue("held-out proteins", "cosine with the teacher", agreement.cosine)] if agreement else []),
        ],
        fingerprint=encoder.fingerprint,
        weights=sum(weight.numel() for weight in encoder.weights.tensors.values()),
        report=report,
        parameters=parameters,
        perplexity=last,
        counted=counted,
        agreement=agreement,
    )
    return page, _perplexity_figure(record, counted)


def _with_precision(parameters: PretrainingParameters, device: Device) -> PretrainingParameters:
    """The parameters with the number formats that `auto` is here; that of the teacher where there is one."""
    from esm2_amp.devices import resolve_device
    from esm2_amp.precision import resolve_precision, resolve_training_precision

    resolved, of_teacher = resolve_device(device), parameters.distillation.precision
    if parameters.teacher is not None:
        of_teacher = resolve_precision(of_teacher, resolved)
    return _at_precisions(parameters, resolve_training_precision(parameters.precision, resolved), of_teacher)


def _at_precisions(parameters: PretrainingParameters, precision: str, of_teacher: str) -> PretrainingParameters:
    distillation = parameters.distillation.model_copy(update={"precision": of_teacher})
    return parameters.model_copy(update={"precision": precision, "distillation": distillation})


def _model_and_data(
    corpora: tuple[Corpus, Corpus], teacher_states: Path, parameters: PretrainingParameters, device: Device
) -> tuple[MaskedLanguageModel, PretrainingData]:
    """What is trained, and on what: by masked language modelling alone, or beside a teacher."""
    from esm2_amp.encoder.distillation import DistillationData, DistilledLanguageModel, Objective
    from esm2_amp.encoder.pretraining import MaskedLanguageModel, PretrainingData, small_esm2_config
    from esm2_amp.encoder.teacher import load_teacher

    config = small_esm2_config(layers=parameters.layers, width=parameters.width, heads=parameters.heads)
    batches = parameters.model_dump(include={"steps_per_epoch", "batch_size", "crop_length", "masked_fraction", "seed"})
    schedule = parameters.model_dump(include={"learning_rate", "weight_decay", "warmup_steps", "seed", "optimizer"})
    schedule["total_steps"] = parameters.epochs * parameters.steps_per_epoch
    if parameters.teacher is None:
        return MaskedLanguageModel(config, **schedule), PretrainingData(*corpora, **batches)
    options = parameters.distillation
    teacher = load_teacher(parameters.teacher, corpora, teacher_states, options, device)
    objective = Objective(options.weight, options.mean_weight, options.normalise_student)
    model = DistilledLanguageModel(config, teacher, objective, **schedule)
    return model, DistillationData(*corpora, teacher, **batches)


def _agreement(record: pd.DataFrame) -> _Agreement | None:
    """That of the last epoch; None where there was no teacher."""
    if "HeldOutCosine" not in record:
        return None
    last = record.iloc[-1]
    return _Agreement(float(last["HeldOutCosine"]), float(last["HeldOutConstantCosine"]))


def _corpora(sequences: pd.DataFrame) -> tuple[Corpus, Corpus]:
    """The training proteins and those held out."""
    from esm2_amp.encoder.pretraining import Corpus

    training, held_out = (Corpus.from_sequences(part["Sequence"].tolist()) for _, part in sequences.groupby("held_out"))
    return training, held_out


def _perplexity_figure(record: pd.DataFrame, counted: Perplexities) -> Figure:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5, 3.5), layout="constrained")
    axes = figure.subplots()
    axes.plot(record["Epoch"], record["TrainingPerplexity"], label="training crops", color="#0072B2")
    axes.plot(record["Epoch"], record["HeldOutPerplexity"], label="held-out proteins", color="#D55E00")
    axes.axhline(counted.bigram, color="0.5", linestyle="--", label="held-out proteins, by bigrams")
    axes.axhline(counted.frequencies, color="0.5", linestyle=":", label="held-out proteins, by frequencies")
    axes.set(xlabel="Epoch", ylabel="Perplexity of residues")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    return figure
