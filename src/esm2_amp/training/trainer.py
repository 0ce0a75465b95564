"""Lightning's trainer as every fit of the project uses it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import lightning as L

from esm2_amp.training.callbacks import AtomicCheckpointIO


def quiet_trainer(
    callbacks: Sequence[L.Callback], folder: Path | None, device: str, *, epochs: int, **options: Any
) -> L.Trainer:
    """A trainer on one device that prints nothing and writes checkpoints atomically.

    Parameters
    ----------
    callbacks : sequence of lightning Callback
        Callbacks of the fit.
    folder : Path, optional
        Where checkpoints are kept; without it none is written.
    device : {"auto", "cpu", "cuda", "mps"}
        Where the network is fitted.
    epochs : int
        Number of epochs at most.
    **options
        Further options of `lightning.Trainer`.
    """
    return L.Trainer(
        accelerator="gpu" if device == "cuda" else device,
        devices=1,
        max_epochs=epochs,
        callbacks=list(callbacks),
        enable_checkpointing=folder is not None,
        plugins=[AtomicCheckpointIO()],
        default_root_dir=folder,
        reload_dataloaders_every_n_epochs=1,
        num_sanity_val_steps=0,
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        **options,
    )
