"""The base of every group of parameters: frozen, and deaf to no typing mistake."""

from pydantic import BaseModel, ConfigDict


class Parameters(BaseModel):
    """Parameters of one step, checked when the configuration is read.

    An unknown name, a missing value or one out of range is an error before anything runs.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
