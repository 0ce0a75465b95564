"""Callbacks of a fit: a record and a log line per epoch, early stopping, checkpoints that are written whole."""

import logging
import math
import signal
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import lightning as L
import torch
from lightning.pytorch.callbacks import EarlyStopping
from lightning.pytorch.plugins.io import TorchCheckpointIO
from lightning.pytorch.utilities.exceptions import SIGTERMException
from typing_extensions import override

from esm2_amp.errors import DivergedError
from esm2_amp.files import replacing_file
from esm2_amp.progress import WAITS, Lines, Pace

logger = logging.getLogger(__name__)

_LOSSES = {"training_loss": "loss", "validation_loss": "validation loss", "held_out_loss": "held-out loss"}
_LOGGED = _LOSSES | {
    "held_out_cosine": "cosine with the teacher",
    "validation_mcc": "MCC",
    "validation_auroc": "AUROC",
}
"""What is logged of an epoch, as far as the fit measures it, and its name in the log."""

_TRAINING_BATCH, _VALIDATION_BATCH = 3.0, 1.0
"""Passes through the network that a batch takes, forwards and backwards: a gradient takes twice a score's time."""

_TERMINATED = 128 + signal.SIGTERM
"""Exit status of a process that SIGTERM ended, as shells give it."""

_LONG_EPOCH = 60.0
"""Seconds from which every epoch has a line."""


class EpochRecord(L.Callback):
    """Loss and metrics of every epoch; kept in the checkpoints, so that a resumed fit has the whole record.

    A loss that is no finite number ends the fit with a DivergedError.

    Parameters
    ----------
    name : str
        What is being fitted, for the log.
    waits : sequence of float
        Seconds to the first line of the log, and from each to the next; the last holds on. A line comes at the end of
        an epoch, or within a long one, and at the end of each that took a minute.
    log_last : bool
        Whether the last epoch has a line however soon it comes.

    Attributes
    ----------
    rows : list of dict
        `epoch`, counted from 1, `learning_rate` and all that the fit measures, a row per epoch.
    """

    def __init__(self, name: str, waits: Sequence[float] = WAITS, *, log_last: bool = True) -> None:
        self.name, self.waits, self.log_last = name, waits, log_last
        self.rows: list[dict[str, float]] = []
        self._begin()

    def _begin(self) -> None:
        self._pace, self._lines = Pace(), Lines(logger, self.waits)
        self._begin_epoch()

    def _begin_epoch(self) -> None:
        self._batches, self._work, self._began = 0, 0.0, time.monotonic()

    @override
    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._begin()

    @override
    def on_train_batch_end(self, trainer: L.Trainer, pl_module: L.LightningModule, *batch: Any) -> None:
        self._batches += 1
        self._count(trainer, _TRAINING_BATCH)

    @override
    def on_validation_batch_end(self, trainer: L.Trainer, pl_module: L.LightningModule, *batch: Any) -> None:
        self._count(trainer, _VALIDATION_BATCH)

    def _count(self, trainer: L.Trainer, work: float) -> None:
        self._pace.add(work)
        self._work += work
        self._lines.offer(lambda: self._within_epoch(trainer))

    def _within_epoch(self, trainer: L.Trainer) -> str:
        done, total = self._batches, int(trainer.num_training_batches)
        share = f"{done:,} of {total:,} batches ({100 * done / total:.0f} %)"
        return f"{self.name}: epoch {trainer.current_epoch + 1} of {trainer.max_epochs}, {share}; {self._left(trainer)}"

    def _left(self, trainer: L.Trainer) -> str:
        """Until the end of the last epoch."""
        validation = _VALIDATION_BATCH * sum(map(int, trainer.num_val_batches))
        of_epoch = _TRAINING_BATCH * int(trainer.num_training_batches) + validation
        return self._pace.left(of_epoch * (int(trainer.max_epochs or 0) - trainer.current_epoch) - self._work)

    @override
    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        values = {name: float(value) for name, value in trainer.callback_metrics.items()}
        _check_finite(self.name, trainer.current_epoch + 1, values)
        rate = trainer.optimizers[0].param_groups[0]["lr"]
        self.rows.append({"epoch": trainer.current_epoch + 1, "learning_rate": rate, **values})
        self._log(trainer, values)

    def _log(self, trainer: L.Trainer, values: dict[str, float]) -> None:
        done, total = trainer.current_epoch + 1, int(trainer.max_epochs or 0)
        measured = ", ".join(f"{words} {values[name]:.4f}" for name, words in _LOGGED.items() if name in values)
        text = f"{self.name}: epoch {done} of {total}, {measured}; {self._left(trainer)}"
        is_long = time.monotonic() - self._began >= _LONG_EPOCH
        self._begin_epoch()
        if is_long or (self.log_last and done == total):
            self._lines.say(text)
        else:
            self._lines.offer(lambda: text)

    @override
    def state_dict(self) -> dict[str, Any]:
        return {"rows": self.rows}

    @override
    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.rows = state_dict["rows"]


class Patience(EarlyStopping):
    """Early stopping that also ends a fit that was interrupted just after its last epoch."""

    @override
    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        trainer.should_stop = self.wait_count >= self.patience


class Terminated(L.Callback):
    """Ends a run that SIGTERM asks to end with the status of that, as its other steps do.

    Lightning ends the process with 0, as if all was done, or goes on where the fit was at its end.
    """

    @override
    def on_exception(self, trainer: L.Trainer, pl_module: L.LightningModule, exception: BaseException) -> None:
        if isinstance(exception, SIGTERMException):
            exception.code = _TERMINATED

    @override
    def on_fit_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        if trainer.received_sigterm:
            raise SystemExit(_TERMINATED)


class EpochReport(L.Callback):
    """Reports each epoch's validation MCC to a search, which may end the fit by raising.

    Parameters
    ----------
    on_epoch : callable
        Called with the epoch, counted from 1, and its validation MCC.
    """

    def __init__(self, on_epoch: Callable[[int, float], None]) -> None:
        self.on_epoch = on_epoch

    @override
    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self.on_epoch(trainer.current_epoch + 1, float(trainer.callback_metrics["validation_mcc"]))


def _check_finite(name: str, epoch: int, values: dict[str, float]) -> None:
    for loss in _LOSSES:
        if loss in values and not math.isfinite(values[loss]):
            raise DivergedError(
                f"{name} diverged: its {loss.replace('_', ' ')} must be a finite number, got {values[loss]} in epoch "
                f"{epoch}; lower learning_rate or set gradient_clip, and check that the input is finite"
            )


class AtomicCheckpointIO(TorchCheckpointIO):
    """Checkpoints written under a temporary name, then renamed: a killed fit leaves none cut short.

    Where one can't be written, for instance because the disk is full, InputError says so.
    """

    @override
    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any | None = None) -> None:
        with replacing_file(Path(path)) as part:
            try:
                with part.open("wb") as file:
                    torch.save(checkpoint, file)
            except RuntimeError as error:  # PyTorch raises its own, whatever the file system said
                raise error.__context__ if isinstance(error.__context__, OSError) else error from None
