"""The Lightning modules of training: the pair classifier and its data."""

from collections.abc import Callable
from typing import Any

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
from esm2_amp.training.batches import PairBatch, pair_batches

METRICS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "mcc": binary_matthews_corrcoef,
    "accuracy": binary_accuracy,
    "recall": binary_recall,
    "f1": binary_f1_score,
    "auroc": binary_auroc,
}


class MeasuredModule(L.LightningModule):
    """Keeps the logits of an epoch, and logs loss and `METRICS` of its training and its validation pairs."""

    def __init__(self) -> None:
        super().__init__()
        self._outcomes: dict[str, list[tuple[Tensor, Tensor]]] = {"training": [], "validation": []}

    def keep_outcomes(self, phase: str, logit: Tensor, label: Tensor) -> None:
        """Keep the outcomes of some pairs for the measures of the epoch.

        Parameters
        ----------
        phase : {"training", "validation"}
            Which pairs they are.
        logit, label : Tensor, shape (B,), float32
            Logits and labels.
        """
        self._outcomes[phase].append((logit.detach(), label))

    @override
    def on_validation_epoch_end(self) -> None:
        # once an epoch, for training too, whose batches are over by now: logging at each step costs more than a small
        # network's step, and what is logged at the end of the training epoch comes too late for the callbacks
        for phase, outcomes in self._outcomes.items():
            logit, label = (torch.cat(column) for column in zip(*outcomes, strict=True))
            outcomes.clear()
            probability, truth = logit.sigmoid(), label.int()
            self.log(f"{phase}_loss", binary_cross_entropy_with_logits(logit, label))
            self.log_dict({f"{phase}_{name}": metric(probability, truth).float() for name, metric in METRICS.items()})


class PairClassifier(MeasuredModule):
    """A network under AdamW and ReduceLROnPlateau, whose tokens are gathered from a table of protein vectors.

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
        Dropout of an epoch is drawn from seed and epoch alone, so that a resumed run repeats an undisturbed one.
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
    def on_train_batch_start(self, batch: Any, batch_idx: int) -> None:
        """Draw the dropout of this epoch from seed and epoch."""
        # not at the epoch's start: between that and its first batch the loader draws a number, but not when resumed
        if batch_idx == 0:
            torch.manual_seed(self.seed * 1_000_003 + self.current_epoch)

    @override
    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        return self._step(batch, "training") * self._weight(len(batch[1]), batch_idx)

    def _weight(self, pairs: int, batch_idx: int) -> float:
        """The factor by which the sum over an optimiser step's micro-batches becomes the mean over its pairs.

        Lightning divides every micro-batch's loss by their usual number, but an epoch's last step may have fewer, and
        a smaller one among them.
        """
        data, micro_batches = self.trainer.datamodule, self.trainer.accumulate_grad_batches  # type: ignore[attr-defined]
        earlier = batch_idx // micro_batches * self.settings.batch_size
        return pairs * micro_batches / min(self.settings.batch_size, len(data.training_pairs) - earlier)

    @override
    def validation_step(self, batch: tuple[Tensor, Tensor]) -> Tensor:
        return self._step(batch, "validation")

    def _step(self, batch: tuple[Tensor, Tensor], phase: str) -> Tensor:
        tokens, label = batch
        logit = self.network(tokens).float()
        self.keep_outcomes(phase, logit, label)
        return binary_cross_entropy_with_logits(logit, label)

    @override
    def on_train_epoch_end(self) -> None:
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
            self.network.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay, fused=True
        )
        schedule = ReduceLROnPlateau(optimizer, factor=plateau.factor, patience=plateau.patience, min_lr=plateau.floor)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "monitor": "validation_loss"}}


class PairData(L.LightningDataModule):
    """Training pairs in a new order each epoch, validation pairs in theirs.

    Parameters
    ----------
    training, validation : Pairs
        Labelled pairs.
    batch_size : int
        Pairs held in memory at once.
    seed : int
        Seed of the orders.
    swapping : bool
        Whether each training pair is read as A-B or B-A at random.
    """

    def __init__(self, training: Pairs, validation: Pairs, batch_size: int, seed: int, *, swapping: bool) -> None:
        super().__init__()
        self.training_pairs, self.validation_pairs = training, validation
        self.batch_size, self.seed, self.swapping = batch_size, seed, swapping

    @override
    def train_dataloader(self) -> DataLoader[PairBatch]:
        assert self.trainer is not None
        order = self.seed * 1_000_003 + self.trainer.current_epoch
        return pair_batches(self.training_pairs, self.batch_size, order, swapping=self.swapping)

    @override
    def val_dataloader(self) -> DataLoader[PairBatch]:
        return pair_batches(self.validation_pairs, self.batch_size)
