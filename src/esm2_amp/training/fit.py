"""Fitting networks: resumable, deterministic from their seeds, best checkpoint by validation MCC."""

import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import lightning as L
import pandas as pd
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from torch import Tensor

from esm2_amp.errors import InputError
from esm2_amp.models.registry import build_network
from esm2_amp.pairs import Pairs, hash_pairs
from esm2_amp.parameters.model_training import ModelParameters, TrainingParameters
from esm2_amp.parameters.run import Device
from esm2_amp.precision import with_training_precision
from esm2_amp.training.batches import Shares
from esm2_amp.training.callbacks import EpochRecord, EpochReport, Patience
from esm2_amp.training.classifier import PairClassifier, PairData
from esm2_amp.training.jobs import Fit, FitJob
from esm2_amp.training.processes import ALONE, Processes
from esm2_amp.training.resume import checkpoint_to_resume, last_checkpoint, mark_finished
from esm2_amp.training.standardising import Scale
from esm2_amp.training.together import fit_together
from esm2_amp.training.trainer import quiet_trainer

_MONITOR = "validation_mcc"
_CHECKPOINTS_KEPT = 3


def fit_members(
    training: Pairs,
    validation: Pairs,
    settings: ModelParameters,
    *,
    folder: Path,
    device: Device,
    seed: int,
    processes: Processes = ALONE,
) -> list[Fit]:
    """Fit the `training.members` networks of a model, one after the other, from where they were interrupted.

    Member k, counted from 1, is fitted with the seed `seed + k - 1`: the first is the model that a training of one
    member gives. Each has its own folder of checkpoints, and counts as finished only when all are, so that an
    interrupted training finds those that it has done.

    Parameters
    ----------
    training, validation, settings, device, processes
        As for `fit_network`.
    folder : Path
        Where checkpoints are kept: in it those of a single network, in `member_<k>` those of several.
    seed : int
        Of the first member.

    Raises
    ------
    InputError
        As for `fit_network`.
    """
    options: dict[str, Any] = {"device": device, "processes": processes}
    if settings.training.members == 1:
        return [fit_network(training, validation, settings, folder=folder, seed=seed, **options)]
    numbers = range(1, settings.training.members + 1)
    folders = {number: folder / f"member_{number}" for number in numbers}
    _keep_only(folder, folders.values())
    fits = [
        fit_network(
            training, validation, settings, folder=folders[number], seed=seed + number - 1,
            member=(number, len(numbers)), **options,
        )
        for number in numbers
    ]  # fmt: skip
    for of_member in folders.values():
        mark_finished(of_member)
    return fits


def fit_network(
    training: Pairs,
    validation: Pairs,
    settings: ModelParameters,
    *,
    folder: Path,
    device: Device,
    seed: int,
    processes: Processes = ALONE,
    member: tuple[int, int] | None = None,
) -> Fit:
    """Fit a network, from its last checkpoint when the same fit was interrupted.

    Parameters
    ----------
    training, validation : Pairs
        Labelled pairs over one table.
    settings : ModelParameters
        Sizes of the network, and how it is fitted.
    folder : Path
        Where checkpoints are kept: the weights of the three best epochs by validation MCC, and the whole state of the
        last epoch.
    device : {"auto", "cpu", "cuda", "mps"}
        Where the network is fitted.
    seed : int
        Seed of the initial weights, the order of the pairs and the dropout.
    processes : Processes
        With more than one, processes of their own fit the network together, one for each device: see
        `esm2_amp.training.together`. Each has a part of every batch, and all make the same steps as one would: the
        result differs by rounding and, where there is dropout, by what it draws.
    member : tuple of two int, optional
        Number of the network in an ensemble, from 1, and how many there are. The fit of a member stays open, and is
        read from its checkpoints when the same training starts again.

    Raises
    ------
    InputError
        A split is empty or has pairs of one class only, or, as DivergedError, a loss is no longer finite, or there
        aren't so many devices.
    """
    check_splits(training, validation)
    _shares(settings.training, processes, rank=0)  # raises before the folder is emptied, as the next does
    _check_sizes(settings, training)
    settings = with_training_precision(settings, device)
    scale = Scale.of(training) if settings.training.standardise else None
    if scale:
        training, validation = scale.standardised(training, validation)
    name = settings.network.architecture + (f", member {member[0]} of {member[1]}" if member else "")
    together = f" {processes.total} processes" if processes.total > 1 else ""
    # everything that decides the outcome of a fit; how many other members there are doesn't
    decides = settings.model_dump_json(exclude={"training": {"members"}})
    fingerprint = f"{decides} {seed} {hash_pairs(training, validation)}{together}"
    resume_from = checkpoint_to_resume(folder, fingerprint, name)
    job = FitJob(training, validation, settings, folder, device, seed, resume_from, name)
    fit = fit_together(job, processes) if together else fit_job(job)
    if member is None:
        mark_finished(folder, fingerprint)
    return fit._replace(network=scale.folded(fit.network)) if scale else fit


def fit_job(job: FitJob, processes: Processes = ALONE, rank: int = 0) -> Fit:
    """Fit a network in this process, alone or as one of several that do so together.

    Parameters
    ----------
    job : FitJob
        What is fitted, the same in all processes.
    processes, rank : Processes, int
        How many there are, and the number of this one.

    Returns
    -------
    fit : Fit
        Of the first process; others' networks have the weights of the last epoch.
    """
    settings, folder = job.settings, job.folder
    record, best = EpochRecord(job.name), best_checkpoints(folder)
    callbacks = [record, *_early_stopping(settings.training), best, last_checkpoint(folder)]
    with _prepared(job, callbacks, processes, rank) as fit:
        fit.trainer.fit(fit.classifier, fit.data, ckpt_path=job.resume_from, weights_only=False)
    table_of_epochs = pd.DataFrame(record.rows)
    selected = table_of_epochs["epoch"].iloc[-1]
    if settings.training.selection == "best_validation_mcc" and rank == 0:
        release_optimizers(fit.trainer)
        selected = _load_weights(fit.classifier, Path(best.best_model_path))
    table_of_epochs["selected"] = table_of_epochs["epoch"] == selected
    return Fit(fit.classifier.network.cpu().eval(), table_of_epochs)


def fit_trial(
    training: Pairs,
    validation: Pairs,
    settings: ModelParameters,
    *,
    name: str,
    device: Device,
    seed: int,
    on_epoch: Callable[[int, float], None],
) -> pd.DataFrame:
    """Fit a network for its record alone: nothing is written, and the last epoch counts.

    Parameters
    ----------
    training, validation, settings, device, seed
        As for `fit_network`.
    name : str
        What is being fitted, for the log, which gets a line a minute.
    on_epoch : callable
        Called with the epoch, counted from 1, and its validation MCC; an exception that it raises ends the fit.

    Returns
    -------
    record : DataFrame
        As `Fit.record`, without `selected`.

    Raises
    ------
    InputError
        A split is empty or has pairs of one class only, or, as DivergedError, a loss is no longer finite.
    """
    check_splits(training, validation)
    settings = with_training_precision(settings, device)
    if settings.training.standardise:
        training, validation = Scale.of(training).standardised(training, validation)
    record = EpochRecord(name, waits=(60,), log_last=False)
    callbacks = [record, EpochReport(on_epoch)]
    job = FitJob(training, validation, settings, Path(), device, seed, None, name)
    with _prepared(job, callbacks, checkpoints=False) as fit:
        fit.trainer.fit(fit.classifier, fit.data)
    return pd.DataFrame(record.rows)


def _keep_only(folder: Path, wanted: Iterable[Path]) -> None:
    """Delete what a training of another number of members left in a folder."""
    kept = set(wanted)
    for path in folder.iterdir() if folder.exists() else ():
        if path.is_dir() and path not in kept:
            shutil.rmtree(path)
        elif path.is_file():
            path.unlink()


class _Prepared(NamedTuple):
    trainer: L.Trainer
    classifier: PairClassifier
    data: PairData


@contextmanager
def _prepared(
    job: FitJob,
    callbacks: list[L.Callback],
    processes: Processes = ALONE,
    rank: int = 0,
    *,
    checkpoints: bool = True,
) -> Iterator[_Prepared]:
    """Trainer, network and data of a fit, the initial weights from the seed; the global random state is restored."""
    table, settings = job.training.table, job.settings.training
    shares = _shares(settings, processes, rank)
    with torch.random.fork_rng():
        torch.manual_seed(job.seed)
        network = build_network(job.settings.network, table.shape[-1])
        on_device = _fits_device(table, settings, job.device)
        classifier = PairClassifier(network, table, settings, on_device=on_device, seed=job.seed)
        trainer = quiet_trainer(
            callbacks,
            job.folder if checkpoints else None,
            job.device,
            epochs=settings.epochs,
            processes=processes,
            precision=settings.precision,
            accumulate_grad_batches=shares.batches(settings.batch_size),
            gradient_clip_val=settings.gradient_clip,
        )
        swapping = settings.pair_order == "random"
        yield _Prepared(
            trainer, classifier, PairData(job.training, job.validation, shares, job.seed, swapping=swapping)
        )


def _check_sizes(settings: ModelParameters, pairs: Pairs) -> None:
    """Raise InputError for sizes that don't fit the width of the vectors; nothing is drawn or filled."""
    with torch.device("meta"):
        build_network(settings.network, pairs.table.shape[-1])


def check_splits(training: Pairs, validation: Pairs) -> None:
    """Raise InputError unless the pairs of both splits are of both classes."""
    for split, pairs in {"training": training, "validation": validation}.items():
        assert pairs.label is not None
        positives, count = int(pairs.label.sum()), len(pairs)
        if positives in (0, count):
            raise InputError(
                f"The {split} pairs must hold both classes, got {positives} positive and {count - positives} negative; "
                "add the missing class or choose another split"
            )


def best_checkpoints(folder: Path) -> ModelCheckpoint:
    """The callback that keeps the weights of the three best epochs by validation MCC."""
    return ModelCheckpoint(
        folder, "epoch{epoch:03d}", monitor=_MONITOR, mode="max", save_top_k=_CHECKPOINTS_KEPT, save_weights_only=True,
        auto_insert_metric_name=False, save_on_train_epoch_end=True, enable_version_counter=False,
    )  # fmt: skip


def _early_stopping(settings: TrainingParameters) -> list[L.Callback]:
    return [] if settings.patience is None else [Patience(_MONITOR, mode="max", patience=settings.patience)]


def _shares(settings: TrainingParameters, processes: Processes, rank: int) -> Shares:
    at_once = settings.micro_batch_size or settings.batch_size
    if settings.batch_size % at_once:
        raise InputError(
            f"micro_batch_size must divide batch_size {settings.batch_size}, got {settings.micro_batch_size}"
        )
    return Shares(settings.batch_size, at_once, processes.total, rank)


def _fits_device(table: Tensor, settings: TrainingParameters, device: str) -> bool:
    if settings.features_on != "auto":
        return settings.features_on == "device"
    if device not in ("auto", "cuda") or not torch.cuda.is_available():
        return True
    free, _ = torch.cuda.mem_get_info()
    return table.nbytes < free / 2


def release_optimizers(trainer: L.Trainer) -> None:
    """Free gradients and moments, three times the weights, before other weights are read."""
    for optimizer in trainer.optimizers:
        optimizer.zero_grad()
        optimizer.state.clear()


def _load_weights(classifier: PairClassifier, file: Path) -> int:
    """Load a checkpoint's weights into the network and return its epoch, from 1."""
    checkpoint = torch.load(file, map_location="cpu", weights_only=False)
    prefix = "network."
    state = {k.removeprefix(prefix): v for k, v in checkpoint["state_dict"].items() if k.startswith(prefix)}
    classifier.network.load_state_dict(state)
    return int(checkpoint["epoch"]) + 1
