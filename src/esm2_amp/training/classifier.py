"""The Lightning modules of training: the pair classifier and its data."""

import math
from collections.abc import Callable
from typing import Any, Literal

import lightning as L
import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits
from torch.optim.lr_scheduler import ReduceLROnPlateau
from torch.utils.data import DataLoader
from torchmetrics.functional.classification import (
    binary_accuracy,
    binary_auroc,
    binary_f1_score,
    binary_matthews_corrcoef,
    binary_recall,
)
from typing_extensions import override

from esm2_amp.models.base import PairNetwork
from esm2_amp.pairs import Pairs, pair_tokens
from esm2_amp.parameters.model_training import TrainingParameters
from esm2_amp.training.batches import Counts, PairBatch, Shares, pair_batches

METRICS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "mcc": binary_matthews_corrcoef,
    "accuracy": binary_accuracy,
    "recall": binary_recall,
    "f1": binary_f1_score,
    "auroc": binary_auroc,
}


class Outcomes:
    """Logits and labels of an epoch's pairs in one tensor, since many small ones would break up the heap."""

    def __init__(self) -> None:
        self._kept, self._count = torch.empty(2, 0), 0

    def add(self, logit: Tensor, label: Tensor) -> None:
        """Keep those of a batch, both of shape (B,), float32."""
        whole, self._count = slice(self._count, self._count + len(logit)), self._count + len(logit)
        if self._count > self._kept.shape[1]:
            longer = logit.new_empty(2, 2 * self._count)
            longer[:, : whole.start] = self._kept[:, : whole.start]
            self._kept = longer
        self._kept[0, whole], self._kept[1, whole] = logit.detach(), label

    def take(self) -> tuple[Tensor, Tensor]:
        """All logits and labels, both of shape (pairs,), and forget them; they change with the next that are added."""
        logit, label = self._kept[:, : self._count]
        self._count = 0
        return logit, label


class MeasuredModule(L.LightningModule):
    """Keeps the logits of an epoch, and logs loss and `METRICS` of its training and its validation pairs."""

    def __init__(self) -> None:
        super().__init__()
        self._outcomes = {"training": Outcomes(), "validation": Outcomes()}

    def keep_outcomes(self, phase: str, logit: Tensor, label: Tensor) -> None:
        """Keep the outcomes of some pairs for the measures of the epoch.

        Parameters
        ----------
        phase : {"training", "validation"}
            Which pairs they are.
        logit, label : Tensor, shape (B,), float32
            Logits and labels.
        """
        self._outcomes[phase].add(logit, label)

    @override
    def on_validation_epoch_end(self) -> None:
        # once an epoch, for training too, whose batches are over by now: logging at each step costs more than a small
        # network's step, and what is logged at the end of the training epoch comes too late for the callbacks
        for phase, outcomes in self._outcomes.items():
            logit, label = self._of_all_processes(*outcomes.take())
            probability, truth = logit.sigmoid(), label.int()
            self.log(f"{phase}_loss", binary_cross_entropy_with_logits(logit, label))
            self.log_dict({f"{phase}_{name}": metric(probability, truth).float() for name, metric in METRICS.items()})

    def _of_all_processes(self, logit: Tensor, label: Tensor) -> tuple[Tensor, Tensor]:
        """Logits and labels of an epoch, the same in every process."""
        if self.trainer.world_size == 1:
            return logit, label
        parts: list[Any] = [None] * self.trainer.world_size
        torch.distributed.all_gather_object(parts, (logit.cpu(), label.cpu()))
        logit, label = (torch.cat(column).to(self.device) for column in zip(*parts, strict=True))
        return logit, label


class PairClassifier(MeasuredModule):
    """A network under AdamW, whose tokens are gathered from a table of protein vectors.

    Parameters
    ----------
    network : PairNetwork
        The network to fit.
    table : Tensor, shape (P, T / 2, D), float
        The vectors of each protein that the network reads.
    settings : TrainingParameters
        How the network is fitted.
    on_device : bool
        Whether the table is moved to the accelerator, or stays in the host's memory and each batch is moved.
    seed : int
        Dropout of an epoch is drawn from seed, epoch and process alone, so that a resumed run repeats an undisturbed
        one.
    """

    def __init__(
        self, network: PairNetwork, table: Tensor, settings: TrainingParameters, *, on_device: bool, seed: int
    ) -> None:
        super().__init__()
        self.network, self.settings, self.seed = network, settings, seed
        self.host_table: Tensor | None = None if on_device else table
        self.register_buffer("device_table", table if on_device else None, persistent=False)

    def transfer_batch_to_device(self, batch: PairBatch, device: torch.device, dataloader_idx: int) -> Any:
        """Gather the tokens of a batch, on whichever side the table is."""
        a, b, label = batch
        if self.host_table is not None:
            return pair_tokens(self.host_table, a, b).to(device), label.to(device)
        assert isinstance(self.device_table, Tensor)
        return pair_tokens(self.device_table, a.to(device), b.to(device)), label.to(device)

    @override
    def on_train_start(self) -> None:
        """Count the steps of the whole fit, along which the learning rate may fall."""
        self._all_steps = self.trainer.estimated_stepping_batches

    @override
    def on_train_batch_start(self, batch: Any, batch_idx: int) -> None:
        """Draw the dropout of this epoch from seed, epoch and process."""
        # not at the epoch's start: between that and its first batch the loader draws a number, but not when resumed
        if batch_idx == 0:
            torch.manual_seed(self.seed * 1_000_003 + self.current_epoch + self.global_rank * 10_007)

    @override
    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        counts = self._data.counts("training", batch_idx)
        return self._step(batch, "training", counts) * self._weight(counts)

    @property
    def _data(self) -> "PairData":
        data: PairData = self.trainer.datamodule  # type: ignore[attr-defined]
        return data

    def _weight(self, counts: Counts) -> float:
        """The factor by which the sum over all batches of an optimiser step becomes the mean over its pairs.

        Lightning divides every batch's loss by their usual number, and the gradient by that of the processes, but an
        epoch's last step may have fewer batches, and a smaller one among them.
        """
        return counts.own * self.trainer.accumulate_grad_batches * self.trainer.world_size / counts.of_step

    @override
    def validation_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        return self._step(batch, "validation", self._data.counts("validation", batch_idx))

    def _step(self, batch: tuple[Tensor, Tensor], phase: str, counts: Counts) -> Tensor:
        tokens, label = batch
        logit = self.network(tokens).float()
        self.keep_outcomes(phase, logit[: counts.own], label[: counts.own])
        return binary_cross_entropy_with_logits(logit, label)

    @override
    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        """Set the learning rate where the step decides it: in the first steps, and along a cosine."""
        settings, step = self.settings, self.trainer.global_step  # from 0
        if settings.decay == "plateau" and step >= settings.warmup_steps:
            return
        share = min(1.0, (step + 1) / max(1, settings.warmup_steps))
        if settings.decay == "cosine":
            share *= (1 + math.cos(math.pi * step / self._all_steps)) / 2
        for group in optimizer.param_groups:
            group["lr"] = settings.learning_rate * share

    @override
    def on_train_epoch_end(self) -> None:
        if self.settings.decay == "cosine":
            return
        # before the epoch's checkpoint is written: Lightning would step after it, and a resumed fit miss the step
        schedule = self.lr_schedulers()
        assert isinstance(schedule, ReduceLROnPlateau)
        schedule.step(self.trainer.callback_metrics["validation_loss"])

    @override
    def lr_scheduler_step(self, scheduler: Any, metric: Any) -> None:
        """Leave the schedule to `on_train_epoch_end`."""

    @override
    def configure_optimizers(self) -> Any:
        settings, plateau = self.settings, self.settings.plateau
        optimizer = torch.optim.AdamW(
            self.network.parameters(),
            lr=settings.learning_rate,
            betas=(0.9, settings.beta2),
            weight_decay=settings.weight_decay,
            fused=True,
        )
        schedule = ReduceLROnPlateau(optimizer, factor=plateau.factor, patience=plateau.patience, min_lr=plateau.floor)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "monitor": "validation_loss"}}


class PairData(L.LightningDataModule):
    """Training pairs in a new order each epoch, validation pairs in theirs.

    Parameters
    ----------
    training, validation : Pairs
        Labelled pairs.
    shares : Shares
        Pairs of a step and of a batch, and which of them this process has.
    seed : int
        Seed of the orders.
    swapping : bool
        Whether each training pair is read as A-B or B-A at random.
    """

    def __init__(self, training: Pairs, validation: Pairs, shares: Shares, seed: int, *, swapping: bool) -> None:
        super().__init__()
        self.training_pairs, self.validation_pairs = training, validation
        self.shares, self.seed, self.swapping = shares, seed, swapping

    def counts(self, phase: Literal["training", "validation"], batch_idx: int) -> Counts:
        """What counts of a batch, by its number in the epoch."""
        pairs = self.training_pairs if phase == "training" else self.validation_pairs
        return self.shares.counts(batch_idx, len(pairs))

    @override
    def train_dataloader(self) -> DataLoader[PairBatch]:
        assert self.trainer is not None
        order = self.seed * 1_000_003 + self.trainer.current_epoch
        return pair_batches(self.training_pairs, self.shares, order, swapping=self.swapping)

    @override
    def val_dataloader(self) -> DataLoader[PairBatch]:
        return pair_batches(self.validation_pairs, self.shares)
