"""The base of every group of parameters, and the types of values that several groups have."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Positive = Annotated[float, Field(gt=0)]
Fraction = Annotated[float, Field(gt=0, lt=1)]
Count = Annotated[int, Field(ge=1)]


class Parameters(BaseModel):
    """Parameters of one step, checked when the configuration is read.

    An unknown name, a missing value or one out of range is an error before anything runs.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
