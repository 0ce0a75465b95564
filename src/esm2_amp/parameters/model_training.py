"""Parameters of `model_training`: the sizes of each network, and how it is fitted (METHOD sections 3 and 4)."""

from typing import Annotated, Any, Final, Literal, get_args

from pydantic import Field

from esm2_amp.parameters.base import Count, Fraction, Parameters, Positive
from esm2_amp.parameters.run import TrainingPrecision

Size = Annotated[int, Field(ge=1)]
Dropout = Annotated[float, Field(ge=0, lt=1)]

Architecture = Literal["ESM2_AMPS", "ESM2_AMP_CSE", "ESM2_DPM", "ESM2_GRU", "ESM2_MEAN", "ESM2_SIAM"]
ARCHITECTURES: Final[tuple[Architecture, ...]] = get_args(Architecture)
"""Names of the networks of pairs, in the order in which they are shown."""

EXPLAINED: Final[tuple[Architecture, ...]] = ("ESM2_AMPS", "ESM2_AMP_CSE")
"""Networks with attention, which `interpretability` explains."""

MOST_MEMBERS: Final = 100
"""Of an ensemble: more have never been of use, and are likely a slip."""


class NetworkParameters(Parameters):
    """Sizes of a network without the width D, which is that of the features."""


class MeanParameters(NetworkParameters):
    """Sizes of `ESM2MEAN`."""

    architecture: Literal["ESM2_MEAN"]
    h1: Size
    h2: Size


class GRUParameters(NetworkParameters):
    """Sizes of `ESM2GRU`."""

    architecture: Literal["ESM2_GRU"]
    h1: Size
    h2: Size
    layers: Size = 6
    dropout: Dropout = 0.3


class TransformerParameters(NetworkParameters):
    """Sizes of `ESM2AMPS` and `ESM2AMPCSE`."""

    architecture: Literal["ESM2_AMPS", "ESM2_AMP_CSE"]
    h1: Size
    h2: Size
    layers: Size = 6
    heads: Size = 8
    feed_forward: Size = 2048
    dropout: Dropout = 0.3


class DPMParameters(NetworkParameters):
    """Sizes of `ESM2DPM`."""

    architecture: Literal["ESM2_DPM"]
    h1: Size
    h2: Size
    h3: Size


class SiameseParameters(NetworkParameters):
    """Sizes of `ESM2SIAM`."""

    architecture: Literal["ESM2_SIAM"]
    h1: Size
    h2: Size
    h3: Size
    dropout: Dropout = 0.2


class AEDNNParameters(NetworkParameters):
    """Sizes of `AEDNN`."""

    architecture: Literal["AE_DNN"] = "AE_DNN"
    h1: Size
    h2: Size


AnyNetworkParameters = Annotated[
    TransformerParameters | GRUParameters | MeanParameters | DPMParameters | SiameseParameters | AEDNNParameters,
    Field(discriminator="architecture"),
]


class PlateauParameters(Parameters):
    """ReduceLROnPlateau on the validation loss."""

    factor: Fraction = 0.1
    patience: Annotated[int, Field(ge=0)] = 5
    floor: Annotated[float, Field(ge=0)] = 1e-8


class TrainingParameters(Parameters):
    """How a network is fitted.

    Attributes
    ----------
    learning_rate, weight_decay : float
        Learning rate and weight decay of AdamW.
    beta2 : float
        Decay of AdamW's mean of squared gradients. A smaller one follows sooner where gradients grow of a sudden, as
        those of attention do once it has found what to look at.
    warmup_steps : int
        Steps of the optimiser over which the learning rate rises from 0, as transformers need where it is high.
    batch_size : int
        Pairs per step of the optimiser.
    micro_batch_size : int, optional
        Pairs held in memory at once; gradients are summed up to `batch_size`. Must divide it.
    epochs : int
        Epochs of a fit, at most.
    decay : {"plateau", "cosine"}
        How the learning rate is lowered: where the validation loss doesn't fall, as published, or after every step,
        along half a cosine that ends at 0 with the last of `epochs` (Loshchilov and Hutter 2017, without restarts).
    plateau : PlateauParameters
        When the learning rate is lowered by `plateau`.
    pair_order : {"as_given", "random"}
        Whether a training pair is read as A-B as its file has it, or as A-B or B-A, drawn anew each epoch. For
        networks that are not symmetric, where the order in the file may predict the label (see the leakage audit).
    selection : {"best_validation_mcc", "last_epoch"}
        Which epoch's weights become the model.
    patience : int, optional
        Epochs without a better validation MCC after which the fit ends; by default it never ends early.
    gradient_clip : float, optional
        Largest norm of the gradient; by default gradients aren't clipped.
    precision : {"auto", "32-true", "bf16-mixed", "16-mixed"}
        Lightning's name of the number format; `auto` is `bf16-mixed` where the processor has instructions for it, and
        `32-true` elsewhere. What it is stands in the model's card.
    features_on : {"auto", "device", "host"}
        Where the table of features stays: with `auto` on the accelerator when it takes less than half its free memory.
    standardise : bool
        Whether each dimension of the vectors has mean 0 and variance 1 over the training proteins while the network is
        fitted. The scale then goes into the weights of its first linear map, or, with the transformers, is stored with
        them, so that the model reads vectors as they are.
    members : int
        Networks that are fitted from different seeds and score as one, a deep ensemble: the logit is the mean of
        theirs, and its spread tells how sure it is. Training takes as many times as long. A search of hyperparameters
        fits single networks; the members are those of the fit with the best parameters.
    """

    learning_rate: Positive
    weight_decay: Annotated[float, Field(ge=0)]
    beta2: Annotated[float, Field(ge=0, lt=1)] = 0.999
    warmup_steps: Annotated[int, Field(ge=0)] = 0
    batch_size: Count = 256
    micro_batch_size: Count | None = None
    epochs: Count
    decay: Literal["plateau", "cosine"] = "plateau"
    plateau: PlateauParameters = PlateauParameters()
    pair_order: Literal["as_given", "random"] = "as_given"
    selection: Literal["best_validation_mcc", "last_epoch"] = "best_validation_mcc"
    patience: Count | None = None
    gradient_clip: Positive | None = None
    precision: TrainingPrecision = "32-true"
    features_on: Literal["auto", "device", "host"] = "auto"
    standardise: bool = False
    members: Annotated[int, Field(ge=1, le=MOST_MEMBERS)] = 1


class ModelParameters(Parameters):
    """A network's sizes, and how it is fitted."""

    network: AnyNetworkParameters
    training: TrainingParameters


def with_values(settings: ModelParameters, values: dict[str, Any]) -> ModelParameters:
    """Settings with some values replaced, each where its name belongs: in the network or in its training.

    Raises
    ------
    pydantic.ValidationError
        When a name belongs to neither, or a value is out of range.
    """
    content = settings.model_dump()
    for name, value in values.items():
        content["network" if name in content["network"] else "training"][name] = value
    return ModelParameters.model_validate(content)
