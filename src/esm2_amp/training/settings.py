"""Parameters of training, as METHOD section 4 names them."""

from typing import Annotated, Literal

from pydantic import Field

from esm2_amp.models.registry import AnyNetworkConfig
from esm2_amp.parameters import Parameters

Positive = Annotated[float, Field(gt=0)]
Fraction = Annotated[float, Field(gt=0, lt=1)]
Count = Annotated[int, Field(ge=1)]


class PlateauSettings(Parameters):
    """ReduceLROnPlateau on the validation loss."""

    factor: Fraction = 0.1
    patience: Annotated[int, Field(ge=0)] = 5
    floor: Annotated[float, Field(ge=0)] = 1e-8


class TrainingSettings(Parameters):
    """How a network is fitted.

    Attributes
    ----------
    learning_rate, weight_decay : float
        Of AdamW.
    batch_size : int
        Pairs per step of the optimiser.
    micro_batch_size : int, optional
        Pairs held in memory at once; gradients are summed up to `batch_size`. Must divide it.
    epochs : int
    plateau : PlateauSettings
    pair_order : {"as_given", "random"}
        Whether a training pair is read as A-B as its file has it, or as A-B or B-A by a coin of each epoch. For
        networks that are not symmetric, where the order in the file may tell the label (see the leakage audit).
    selection : {"best_validation_mcc", "last_epoch"}
        Which epoch's weights become the model.
    patience : int, optional
        Stop after so many epochs without a better validation MCC; by default all epochs are run.
    precision : str
        Lightning's name of the number format.
    features_on : {"auto", "device", "host"}
        Where the table of features stays: with `auto` on the accelerator when it takes less than half its free memory.
    """

    learning_rate: Positive
    weight_decay: Annotated[float, Field(ge=0)]
    batch_size: Count = 256
    micro_batch_size: Count | None = None
    epochs: Count
    plateau: PlateauSettings = PlateauSettings()
    pair_order: Literal["as_given", "random"] = "as_given"
    selection: Literal["best_validation_mcc", "last_epoch"] = "best_validation_mcc"
    patience: Count | None = None
    gradient_clip: Positive | None = None
    precision: Literal["32-true", "bf16-mixed", "16-mixed"] = "32-true"
    features_on: Literal["auto", "device", "host"] = "auto"


class ModelSettings(Parameters):
    """A network's sizes, and how it is fitted."""

    network: AnyNetworkConfig
    training: TrainingSettings
