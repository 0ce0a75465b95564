"""Parameters that every step shares."""

from typing import Literal

from pydantic import Field

from esm2_amp.parameters.base import Count, Parameters

Device = Literal["auto", "cpu", "cuda", "mps"]
ResolvedPrecision = Literal["float32", "bfloat16"]
Precision = Literal["auto"] | ResolvedPrecision
"""Number format of matrix multiplications; `auto` takes bfloat16 where the processor has instructions for it."""

TrainingPrecision = Literal["auto", "32-true", "bf16-mixed", "16-mixed"]
"""Lightning's names of the number formats of a fit; `auto` takes one of the first two by the same rule."""


class RunParameters(Parameters):
    """What all steps share.

    Attributes
    ----------
    device : {"auto", "cpu", "cuda", "mps"}
        Where tensors are computed; `auto` takes the first of cuda, mps and cpu that the machine has.
    devices : int or "auto"
        Devices of each machine that fit a network together, by a process each; `auto` is all GPUs. The steps of a fit
        are the same with any number of them.
    num_nodes : int
        Machines that fit a network together, within a job of SLURM.
    seed : int
        Of everything that is drawn at random.
    data_name : str
        What figures and model cards call the data.
    scoring_batch_size : int
        Pairs scored at once, wherever scores alone are wanted. It changes no score but for rounding.
    cluster : str, optional
        Address of a Dask scheduler whose workers share the embedding of proteins, scores and explanations, each on its
        own device.
    """

    device: Device
    devices: Count | Literal["auto"] = 1
    num_nodes: Count = 1
    seed: int
    data_name: str
    scoring_batch_size: int = Field(ge=1)
    cluster: str | None = None
