"""What a fit is given and what it gives, in memory and as files that processes hand to one another."""

import io
from pathlib import Path
from typing import NamedTuple, Self

import pandas as pd
import torch

from esm2_amp.files import write_atomically
from esm2_amp.models.base import PairNetwork
from esm2_amp.models.registry import build_network
from esm2_amp.pairs import Pairs
from esm2_amp.parameters.model_training import ModelParameters
from esm2_amp.parameters.run import Device


class FitJob(NamedTuple):
    """All that decides a fit, and where it is done.

    Attributes
    ----------
    training, validation : Pairs
        Labelled pairs over one table.
    settings : ModelParameters
        Sizes of the network, and how it is fitted; the precision is resolved.
    folder : Path
        Where checkpoints are kept.
    device : {"auto", "cpu", "cuda", "mps"}
        Where the network is fitted.
    seed : int
        Of weights, order and dropout.
    resume_from : Path, optional
        A checkpoint to go on from.
    name : str
        What is being fitted, for the log.
    """

    training: Pairs
    validation: Pairs
    settings: ModelParameters
    folder: Path
    device: Device
    seed: int
    resume_from: Path | None
    name: str

    def write(self, file: Path) -> None:
        """Write the job as a file, which `read` reads."""
        job = self._asdict() | {"folder": str(self.folder), "resume_from": str(self.resume_from or "")}
        splits = {name: (job[name].a, job[name].b, job[name].label) for name in ("training", "validation")}
        file.parent.mkdir(parents=True, exist_ok=True)
        torch.save(job | splits | {"settings": self.settings.model_dump_json(), "table": self.training.table}, file)

    @classmethod
    def read(cls, file: Path) -> Self:
        """Read a job. Processes of one machine share the memory of its table."""
        job = torch.load(file, mmap=True, weights_only=True)
        table, folder, resume_from = job.pop("table"), Path(job["folder"]), job["resume_from"]
        splits = {name: Pairs(table, *job[name]) for name in ("training", "validation")}
        settings = ModelParameters.model_validate_json(job["settings"])
        given = {"folder": folder, "settings": settings, "resume_from": Path(resume_from) if resume_from else None}
        return cls(**job | splits | given)


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

    def write(self, file: Path) -> None:
        """Write weights and record as a file, which `read` reads."""
        stored = io.BytesIO()
        torch.save({"weights": self.network.state_dict(), "record": self.record.to_dict("list")}, stored)
        write_atomically(file, stored.getvalue())

    @classmethod
    def read(cls, file: Path, job: FitJob) -> Self:
        """Read what the fit of a job gave."""
        stored = torch.load(file, weights_only=True)
        with torch.random.fork_rng(devices=[]):
            network = build_network(job.settings.network, job.training.table.shape[-1])
        network.load_state_dict(stored["weights"])
        return cls(network.eval(), pd.DataFrame(stored["record"]))
