"""Lightning's trainer as every fit of the project uses it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import lightning as L
from lightning.fabric.plugins.environments.lightning import LightningEnvironment

from esm2_amp.training.callbacks import AtomicCheckpointIO, Terminated
from esm2_amp.training.processes import ALONE, Processes


def quiet_trainer(
    callbacks: Sequence[L.Callback],
    folder: Path | None,
    device: str,
    *,
    epochs: int,
    processes: Processes = ALONE,
    **options: Any,
) -> L.Trainer:
    """A trainer that prints nothing, writes checkpoints atomically, and starts no processes.

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
    processes : Processes
        How many processes fit the network together, of which this is one.
    **options
        Further options of `lightning.Trainer`.
    """
    return L.Trainer(
        accelerator="gpu" if device == "cuda" else device,
        devices=processes.devices,
        num_nodes=processes.nodes,
        strategy="ddp" if processes.total > 1 else "auto",
        use_distributed_sampler=False,
        max_epochs=epochs,
        callbacks=[*callbacks, Terminated()],
        enable_checkpointing=folder is not None,
        # by default Lightning takes a single fit within a job of SLURM for one of the job's tasks
        plugins=[AtomicCheckpointIO(), LightningEnvironment()],
        default_root_dir=folder,
        reload_dataloaders_every_n_epochs=1,
        num_sanity_val_steps=0,
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        **options,
    )
