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
from esm2_amp.models.base import PairNetwork
from esm2_amp.models.registry import build_network
from esm2_amp.pairs import Pairs, hash_pairs
from esm2_amp.parameters.model_training import ModelParameters, TrainingParameters
from esm2_amp.training.callbacks import EpochRecord, EpochReport, Patience
from esm2_amp.training.classifier import PairClassifier, PairData
from esm2_amp.training.resume import checkpoint_to_resume, last_checkpoint, mark_finished
from esm2_amp.training.trainer import quiet_trainer

_MONITOR = "validation_mcc"
_CHECKPOINTS_KEPT = 3


class Fit(NamedTuple):
    """A fitted network and the record of its epochs.

    Attributes
    ----------
    network : PairNetwork
        In eval mode, on the CPU, with the selected epoch's weights.
    record : DataFrame
        One row per epoch: `epoch`, `learning_rate`, and loss, MCC, accuracy, recall, F1, AUROC of training (with
        dropout, averaged while learning) and validation; `selected` marks the epoch whose weights are kept.
    """

    network: PairNetwork
    record: pd.DataFrame


def fit_members(
    training: Pairs,
    validation: Pairs,
    settings: ModelParameters,
    *,
    folder: Path,
    device: str,
    seed: int,
) -> list[Fit]:
    """Fit the `training.members` networks of a model, one after the other, from where they were interrupted.

    Member k, counted from 1, is fitted with the seed `seed + k - 1`: the first is the model that a training of one
    member gives. Each has its own folder of checkpoints, and counts as finished only when all are, so that an
    interrupted training finds those that it has done.

    Parameters
    ----------
    training, validation, settings, device
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
    options: dict[str, Any] = {"device": device}
    if settings.training.members == 1:
        return [fit_network(training, validation, settings, folder=folder, seed=seed, **options)]
    name, numbers = settings.network.architecture, range(1, settings.training.members + 1)
    folders = {number: folder / f"member_{number}" for number in numbers}
    _keep_only(folder, folders.values())
    fits = [
        fit_network(
            training, validation, settings, folder=folders[number], seed=seed + number - 1, is_last=False,
            name=f"{name}, member {number} of {len(numbers)}", **options,
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
    device: str,
    seed: int,
    name: str | None = None,
    is_last: bool = True,
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
    name : str, optional
        What is being fitted, for the log; the architecture by default.
    is_last : bool
        Whether the training ends with this fit. One that is followed by others stays open, and is read from its
        checkpoints when the same training starts again.

    Raises
    ------
    InputError
        A split is empty or has pairs of one class only.
    """
    name = name or settings.network.architecture
    record, best = EpochRecord(name), _best_checkpoints(folder)
    callbacks = [record, *_early_stopping(settings.training), best, last_checkpoint(folder)]
    with _prepared(training, validation, settings, callbacks, folder=folder, device=device, seed=seed) as fit:
        # everything that decides the outcome of a fit; how many other members there are doesn't
        decides = settings.model_dump_json(exclude={"training": {"members"}})
        fingerprint = f"{decides} {seed} {hash_pairs(training, validation)}"
        resume_from = checkpoint_to_resume(folder, fingerprint, name)
        fit.trainer.fit(fit.classifier, fit.data, ckpt_path=resume_from, weights_only=False)
    table_of_epochs = pd.DataFrame(record.rows)
    selected = table_of_epochs["epoch"].iloc[-1]
    if settings.training.selection == "best_validation_mcc":
        _release_optimizers(fit.trainer)
        selected = _load_weights(fit.classifier, Path(best.best_model_path))
    if is_last:
        mark_finished(folder)
    table_of_epochs["selected"] = table_of_epochs["epoch"] == selected
    return Fit(fit.classifier.network.cpu().eval(), table_of_epochs)


def fit_trial(
    training: Pairs,
    validation: Pairs,
    settings: ModelParameters,
    *,
    name: str,
    device: str,
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
    record = EpochRecord(name, log_every=60, log_last=False)
    callbacks = [record, EpochReport(on_epoch)]
    with _prepared(training, validation, settings, callbacks, folder=None, device=device, seed=seed) as fit:
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
    training: Pairs,
    validation: Pairs,
    settings: ModelParameters,
    callbacks: list[L.Callback],
    *,
    folder: Path | None,
    device: str,
    seed: int,
) -> Iterator[_Prepared]:
    """Trainer, network and data of a fit, the initial weights from the seed; the global random state is restored."""
    for split, pairs in {"training": training, "validation": validation}.items():
        _check_classes(split, pairs)
    table = training.table
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = build_network(settings.network, table.shape[-1])
        on_device = _fits_device(table, settings.training, device)
        classifier = PairClassifier(network, table, settings.training, on_device=on_device, seed=seed)
        batch_size = settings.training.micro_batch_size or settings.training.batch_size
        trainer = _trainer(settings.training, callbacks, folder, device)
        swapping = settings.training.pair_order == "random"
        yield _Prepared(trainer, classifier, PairData(training, validation, batch_size, seed, swapping=swapping))


def _check_classes(split: str, pairs: Pairs) -> None:
    assert pairs.label is not None
    positives, count = int(pairs.label.sum()), len(pairs)
    if positives in (0, count):
        raise InputError(
            f"The {split} pairs must hold both classes, got {positives} positive and {count - positives} negative; "
            "add the missing class or choose another split"
        )


def _best_checkpoints(folder: Path) -> ModelCheckpoint:
    return ModelCheckpoint(
        folder, "epoch{epoch:03d}", monitor=_MONITOR, mode="max", save_top_k=_CHECKPOINTS_KEPT, save_weights_only=True,
        auto_insert_metric_name=False, save_on_train_epoch_end=True, enable_version_counter=False,
    )  # fmt: skip


def _early_stopping(settings: TrainingParameters) -> list[L.Callback]:
    return [] if settings.patience is None else [Patience(_MONITOR, mode="max", patience=settings.patience)]


def _trainer(settings: TrainingParameters, callbacks: list[L.Callback], folder: Path | None, device: str) -> L.Trainer:
    accumulated, rest = divmod(settings.batch_size, settings.micro_batch_size or settings.batch_size)
    if rest:
        raise InputError(
            f"micro_batch_size must divide batch_size {settings.batch_size}, got {settings.micro_batch_size}"
        )
    return quiet_trainer(
        callbacks,
        folder,
        device,
        epochs=settings.epochs,
        precision=settings.precision,
        accumulate_grad_batches=accumulated,
        gradient_clip_val=settings.gradient_clip,
    )


def _fits_device(table: Tensor, settings: TrainingParameters, device: str) -> bool:
    if settings.features_on != "auto":
        return settings.features_on == "device"
    if device not in ("auto", "cuda") or not torch.cuda.is_available():
        return True
    free, _ = torch.cuda.mem_get_info()
    return table.nbytes < free / 2


def _release_optimizers(trainer: L.Trainer) -> None:
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
