"""How many processes fit a network together, and how one of them finds the others."""

import os
from collections.abc import Mapping
from typing import Final, NamedTuple, Self

import torch

from esm2_amp.devices import resolve_device
from esm2_amp.errors import InputError
from esm2_amp.parameters.run import RunParameters


class Processes(NamedTuple):
    """A process for each device.

    Attributes
    ----------
    devices : int
        Of each machine.
    nodes : int
        Machines.
    """

    devices: int = 1
    nodes: int = 1

    @property
    def total(self) -> int:
        """Of all machines."""
        return self.devices * self.nodes

    @classmethod
    def of(cls, run: RunParameters) -> Self:
        """As many as the parameters say; `auto` is all GPUs of this machine, and one process on other devices.

        Raises
        ------
        InputError
            There aren't so many devices, or no way to reach other machines.
        """
        device = resolve_device(run.device).type
        there = torch.cuda.device_count() if device == "cuda" else 1
        devices = there if run.devices == "auto" else run.devices
        if device != "cpu" and devices > there:
            raise InputError(
                f"run.devices must be at most {there}, as many as there are of {device}, got {devices}; or auto"
            )
        if run.num_nodes > 1 and "SLURM_JOB_ID" not in os.environ:
            raise InputError(
                f"run.num_nodes={run.num_nodes} needs a job of SLURM with as many nodes, but this isn't one; submit "
                "the command by sbatch --nodes, or leave run.num_nodes out"
            )
        return cls(devices, run.num_nodes)


ALONE: Final = Processes()
"""One process, on one device."""


def own_place(environment: Mapping[str, str], processes: Processes) -> dict[str, str]:
    """The variables by which Lightning knows which process this is.

    Parameters
    ----------
    environment : mapping of str to str
        Of this process, as it was started for each device of one machine or by srun.
    processes : Processes
        How many there are.
    """
    node = environment.get("NODE_RANK") or environment["SLURM_NODEID"]
    local = environment.get("LOCAL_RANK") or environment["SLURM_LOCALID"]
    return {"NODE_RANK": node, "LOCAL_RANK": local, "WORLD_SIZE": str(processes.total)}
