"""Fitting the autoencoder of feature tokens: early stopping, resumable, deterministic from its seed."""

from pathlib import Path
from typing import Any, NamedTuple

import lightning as L
import pandas as pd
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from torch import Tensor
from torch.nn.functional import mse_loss
from torch.utils.data import DataLoader
from typing_extensions import override

from esm2_amp.explanation.autoencoder import Autoencoder
from esm2_amp.pairs import hash_tensors
from esm2_amp.parameters.latent_explanation import AutoencoderParameters
from esm2_amp.training.callbacks import EpochRecord, Patience
from esm2_amp.training.resume import checkpoint_to_resume, last_checkpoint, mark_finished
from esm2_amp.training.trainer import quiet_trainer

_MONITOR = "validation_loss"


class AutoencoderFit(NamedTuple):
    """A fitted autoencoder and the record of its epochs.

    Attributes
    ----------
    network : Autoencoder
        In eval mode, on the CPU, with the weights of the epoch of lowest loss on held-out proteins.
    record : DataFrame
        A row per epoch: `epoch`, `learning_rate`, `training_loss` and `validation_loss` (mean squared errors, the first
        averaged while the network is fitted), and `selected`, whether its weights are kept.
    """

    network: Autoencoder
    record: pd.DataFrame


def fit_autoencoder(
    training: Tensor,
    held_out: Tensor,
    settings: AutoencoderParameters,
    *,
    name: str,
    folder: Path,
    device: str,
    seed: int,
) -> AutoencoderFit:
    """Fit an autoencoder, from its last checkpoint when the same fit was interrupted.

    Parameters
    ----------
    training, held_out : Tensor, shape (tokens, D), float
        Each token is a sample; all tokens of a protein are in one of the two.
    settings : AutoencoderParameters
        Sizes of the network, and how it is fitted.
    name : str
        What is being fitted, for the log.
    folder : Path
        Where checkpoints are kept.
    device : {"auto", "cpu", "cuda", "mps"}
        Where the network is fitted.
    seed : int
        Seed of the initial weights and of the order of the tokens.
    """
    record = EpochRecord(name)
    best = ModelCheckpoint(
        folder, "best", monitor=_MONITOR, save_weights_only=True, save_on_train_epoch_end=True,
        enable_version_counter=False,
    )  # fmt: skip
    callbacks = [record, Patience(_MONITOR, patience=settings.patience), best, last_checkpoint(folder)]
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        module = _Reconstruction(Autoencoder(training.shape[1], settings.latent, settings.hidden), settings)
        fingerprint = f"{settings.model_dump_json()} {seed} {hash_tensors(training, held_out)}"
        resume_from = checkpoint_to_resume(folder, fingerprint, name)
        trainer = quiet_trainer(callbacks, folder, device, epochs=settings.epochs)
        data = _TokenData(training, held_out, settings.batch_size, seed)
        trainer.fit(module, data, ckpt_path=resume_from, weights_only=False)
    checkpoint = torch.load(best.best_model_path, map_location="cpu", weights_only=False)
    module.cpu().load_state_dict(checkpoint["state_dict"])
    mark_finished(folder, fingerprint)
    epochs = pd.DataFrame(record.rows)
    epochs["selected"] = epochs["epoch"] == checkpoint["epoch"] + 1
    return AutoencoderFit(module.network.eval(), epochs)


class _Reconstruction(L.LightningModule):
    """The autoencoder under Adam and the mean squared error."""

    def __init__(self, network: Autoencoder, settings: AutoencoderParameters) -> None:
        super().__init__()
        self.network, self.settings = network, settings
        self._losses: dict[str, list[tuple[Tensor, int]]] = {"training": [], "validation": []}

    @override
    def training_step(self, tokens: Tensor) -> Tensor:
        return self._step(tokens, "training")

    @override
    def validation_step(self, tokens: Tensor) -> Tensor:
        return self._step(tokens, "validation")

    def _step(self, tokens: Tensor, phase: str) -> Tensor:
        tokens = tokens.float()
        loss = mse_loss(self.network(tokens), tokens)
        self._losses[phase].append((loss.detach(), len(tokens)))
        return loss

    @override
    def on_validation_epoch_end(self) -> None:
        # for training too: see esm2_amp.training.classifier
        for phase, losses in self._losses.items():
            total = sum(count for _, count in losses)
            self.log(f"{phase}_loss", torch.stack([loss * count for loss, count in losses]).sum() / total)
            losses.clear()

    @override
    def configure_optimizers(self) -> Any:
        return torch.optim.Adam(self.network.parameters(), lr=self.settings.learning_rate, fused=True)


class _TokenData(L.LightningDataModule):
    """Training tokens in a new order each epoch, held-out ones in theirs."""

    def __init__(self, training: Tensor, held_out: Tensor, batch_size: int, seed: int) -> None:
        super().__init__()
        self.training, self.held_out, self.batch_size, self.seed = training, held_out, batch_size, seed

    @override
    def train_dataloader(self) -> DataLoader[Tensor]:
        assert self.trainer is not None
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + self.trainer.current_epoch)
        return self._batches(self.training, torch.randperm(len(self.training), generator=generator))

    @override
    def val_dataloader(self) -> DataLoader[Tensor]:
        return self._batches(self.held_out, torch.arange(len(self.held_out)))

    def _batches(self, tokens: Tensor, order: Tensor) -> DataLoader[Tensor]:
        """Batches of about the same size: batch norm refuses one of a single token."""
        rows = order.tensor_split(max(1, len(tokens) // self.batch_size))
        return DataLoader(tokens, sampler=rows, batch_size=None)  # type: ignore[arg-type]  # a tensor serves as dataset
