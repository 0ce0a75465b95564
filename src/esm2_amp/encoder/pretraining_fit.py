"""Running the pretraining of a small ESM-2: resumable, with a record per epoch."""

import hashlib
import logging
import math
import time
from pathlib import Path

import lightning as L
import pandas as pd

from esm2_amp.encoder.pretraining import MaskedLanguageModel, PretrainingData
from esm2_amp.progress import time_left
from esm2_amp.training.resume import checkpoint_to_resume, last_checkpoint, mark_finished
from esm2_amp.training.trainer import quiet_trainer

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
        left = time_left(time.monotonic() - self._started, done - self._first, total - done)
        logger.info(
            "epoch %d of %d: perplexity %.2f, of held-out proteins %.2f, %s",
            done, total, training, held_out, left,
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
    """Train a masked language model in place, from its last checkpoint when the same training was interrupted.

    Returns
    -------
    record : DataFrame
        Columns `epoch`, `training_perplexity`, `held_out_perplexity`.
    """
    fingerprint = _fingerprint(model, data, epochs, precision, gradient_clip)
    resume_from, record = checkpoint_to_resume(folder, fingerprint, "encoder"), _PerplexityRecord()
    callbacks = [record, last_checkpoint(folder)]
    trainer = quiet_trainer(
        callbacks, folder, device, epochs=epochs, precision=precision, gradient_clip_val=gradient_clip
    )
    trainer.fit(model, data, ckpt_path=resume_from)
    mark_finished(folder, fingerprint)
    return pd.DataFrame(record.rows)


def _fingerprint(model: MaskedLanguageModel, data: PretrainingData, *settings: float | str) -> str:
    """A hash of everything that decides the outcome of a training."""
    schedule = model.learning_rate, model.weight_decay, model.warmup_steps, model.total_steps
    digest = hashlib.sha256(repr((settings, schedule, data.steps_per_epoch, data.options)).encode())
    for array in (data.training.tokens, data.held_out.tokens, data.training.starts, data.held_out.starts):
        digest.update(array.data)
    for name, weight in model.network.state_dict().items():
        digest.update(name.encode())
        digest.update(weight.numpy().data)
    return digest.hexdigest()
