"""Running the pretraining of a small ESM-2: resumable, with a record per epoch."""

import logging
import math
import time
from pathlib import Path

import lightning as L
import pandas as pd
from lightning.pytorch.callbacks import ModelCheckpoint

from esm2_amp.encoder.pretraining import MaskedLanguageModel, PretrainingData
from esm2_amp.progress import in_words
from esm2_amp.training.callbacks import AtomicCheckpointIO

logger = logging.getLogger(__name__)


class _PerplexityRecord(L.Callback):
    """Perplexities of every epoch, kept in the checkpoints."""

    def __init__(self) -> None:
        self.rows: list[dict[str, float]] = []
        self._started, self._first = time.monotonic(), 0

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self._started, self._first = time.monotonic(), trainer.current_epoch

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        done, total = trainer.current_epoch + 1, int(trainer.max_epochs or 0)
        training, held_out = (
            math.exp(float(trainer.callback_metrics[name])) for name in ("training_loss", "held_out_loss")
        )
        self.rows.append({"epoch": done, "training_perplexity": training, "held_out_perplexity": held_out})
        left = (time.monotonic() - self._started) / (done - self._first) * (total - done)
        logger.info(
            "epoch %d of %d: perplexity %.2f, of held-out proteins %.2f, about %s left",
            done, total, training, held_out, in_words(left),
        )  # fmt: skip

    def state_dict(self) -> dict[str, list[dict[str, float]]]:
        return {"rows": self.rows}

    def load_state_dict(self, state_dict: dict[str, list[dict[str, float]]]) -> None:
        self.rows = state_dict["rows"]


def fit_language_model(
    model: MaskedLanguageModel,
    data: PretrainingData,
    *,
    epochs: int,
    precision: str,
    gradient_clip: float,
    folder: Path,
    device: str,
) -> pd.DataFrame:
    """Train a masked language model in place, going on from `last.ckpt` in `folder` when it is there.

    Returns
    -------
    record : DataFrame
        Columns `epoch`, `training_perplexity`, `held_out_perplexity`.
    """
    last, record = folder / "last.ckpt", _PerplexityRecord()
    trainer = L.Trainer(
        accelerator="gpu" if device == "cuda" else device,
        devices=1,
        precision=precision,  # type: ignore[arg-type]
        max_epochs=epochs,
        gradient_clip_val=gradient_clip,
        callbacks=[record, ModelCheckpoint(folder, save_last=True, save_top_k=0, save_on_train_epoch_end=True)],
        plugins=[AtomicCheckpointIO()],
        default_root_dir=folder,
        reload_dataloaders_every_n_epochs=1,
        num_sanity_val_steps=0,
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(model, data, ckpt_path=last if last.exists() else None)
    return pd.DataFrame(record.rows)
