"""The fit of a small ESM-2: resumable, with a record per epoch."""

import hashlib
from pathlib import Path

import numpy as np
import pandas as pd

from esm2_amp.encoder.pretraining import MaskedLanguageModel, PretrainingData
from esm2_amp.training.callbacks import EpochRecord
from esm2_amp.training.resume import checkpoint_to_resume, last_checkpoint, mark_finished
from esm2_amp.training.trainer import quiet_trainer

_OF_DISTILLATION = ("training_distance", "training_mean_distance", "held_out_cosine", "held_out_constant_cosine")


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

    Parameters
    ----------
    model : MaskedLanguageModel
        Its weights are changed.
    data : PretrainingData
        Training and held-out proteins.
    epochs : int
        How often the loss on held-out proteins is measured and a checkpoint written.
    precision : str
        Lightning's name of the number format.
    gradient_clip : float
        Largest norm of a step's gradient.
    folder : Path
        Where the checkpoints are kept.
    device : {"auto", "cpu", "cuda", "mps"}
        Where the model is trained.

    Returns
    -------
    record : DataFrame
        Columns `epoch`, `training_perplexity`, `held_out_perplexity`; of a distillation also `training_distance` and
        `training_mean_distance`, mean squared differences from the teacher's states and from their means over crops,
        and `held_out_cosine`, that of the teacher's states with the mapped ones, beside `held_out_constant_cosine`,
        that with their mean.

    Raises
    ------
    DivergedError
        A loss is no longer a finite number.
    """
    fingerprint = _fingerprint(model, data, epochs, precision, gradient_clip)
    resume_from, record = checkpoint_to_resume(folder, fingerprint, "encoder"), EpochRecord("encoder")
    callbacks = [record, last_checkpoint(folder)]
    trainer = quiet_trainer(
        callbacks, folder, device, epochs=epochs, precision=precision, gradient_clip_val=gradient_clip
    )
    trainer.fit(model, data, ckpt_path=resume_from)
    mark_finished(folder, fingerprint)
    measured = pd.DataFrame(record.rows)
    perplexities = {f"{part}_perplexity": np.exp(measured[f"{part}_loss"]) for part in ("training", "held_out")}
    further = [name for name in _OF_DISTILLATION if name in measured]
    return pd.DataFrame({"epoch": measured["epoch"], **perplexities, **measured[further]})


def _fingerprint(model: MaskedLanguageModel, data: PretrainingData, *settings: float | str) -> str:
    """A hash of everything that decides the outcome of a training."""
    schedule = model.learning_rate, model.weight_decay, model.warmup_steps, model.total_steps
    digest = hashlib.sha256(repr((settings, schedule, data.steps_per_epoch, data.options)).encode())
    for array in (data.training.tokens, data.held_out.tokens, data.training.starts, data.held_out.starts):
        digest.update(array.data)
    for name, weight in model.network.state_dict().items():
        digest.update(name.encode())
        digest.update(weight.numpy().data)
    digest.update(model.further_settings.encode())
    return digest.hexdigest()
