"""Parameters that every step shares."""

from typing import Literal

from esm2_amp.parameters.base import Parameters

Device = Literal["auto", "cpu", "cuda", "mps"]


class RunParameters(Parameters):
    """What all trainings share.

    Attributes
    ----------
    device : {"auto", "cpu", "cuda", "mps"}
    seed : int
    data_name : str
        What figures and model cards call the data.
    """

    device: Device
    seed: int
    data_name: str
