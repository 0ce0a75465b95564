"""Parameters that every step shares."""

from typing import Literal

from pydantic import Field

from esm2_amp.parameters.base import Parameters

Device = Literal["auto", "cpu", "cuda", "mps"]


class RunParameters(Parameters):
    """What all steps share.

    Attributes
    ----------
    device : {"auto", "cpu", "cuda", "mps"}
        Where tensors are computed; `auto` takes the first of cuda, mps and cpu that the machine has.
    seed : int
        Of everything that is drawn at random.
    data_name : str
        What figures and model cards call the data.
    scoring_batch_size : int
        Pairs scored at once, wherever scores alone are wanted. It changes no score but for rounding.
    """

    device: Device
    seed: int
    data_name: str
    scoring_batch_size: int = Field(ge=1)
