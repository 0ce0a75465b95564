"""Parameters of `encoder_pretraining`."""

from typing import Annotated, Literal

from pydantic import Field

from esm2_amp.parameters.base import Count, Fraction, Parameters, Positive
from esm2_amp.parameters.run import Precision, TrainingPrecision

OptimizerName = Literal["adamw", "muon"]


class DistillationParameters(Parameters):
    """How a small encoder learns from a teacher (METHOD section 11).

    Attributes
    ----------
    weight : float
        Weight of the mean squared difference between its mapped states and the teacher's; the masked-language loss has
        the weight 1.
    mean_weight : float
        Weight of the mean squared difference between the means of the two over each crop.
    normalise_student : bool
        Whether its mapped states are normalised, as the teacher's are.
    states : {"computed", "stored"}
        Whether the teacher computes its states from each crop as it is needed, or from the whole protein, once, into a
        store of float16.
    precision : {"auto", "float32", "bfloat16"}
        Number format of the teacher's matrix multiplications; `auto` is bfloat16 where the processor has instructions
        for it.
    """

    weight: Positive = 10.0
    mean_weight: Annotated[float, Field(ge=0)] = 10.0
    normalise_student: bool = True
    states: Literal["computed", "stored"] = "computed"
    precision: Precision = "auto"


class PretrainingParameters(Parameters):
    """Size and training of a small ESM-2.

    Attributes
    ----------
    data : str
        What the sequences are, for the card.
    licence : str
        Licence of the sequences, for the card.
    layers : int
        Number of transformer layers.
    width : int
        D; the feed-forward width is 4 D.
    heads : int
        Attention heads of a layer.
    crop_length : int
        Most tokens of a training example.
    batch_size : int
        Crops per step.
    masked_fraction : float
        Share of the residues to be predicted.
    learning_rate : float
        Learning rate at the end of the warm-up.
    weight_decay : float
        Weight decay of matrices; biases and norms have none.
    gradient_clip : float
        Largest norm of a step's gradient.
    warmup_steps : int
        Steps in which the learning rate rises.
    steps_per_epoch : int
        Steps of an epoch, which ends with a checkpoint and the loss on held-out proteins.
    epochs : int
        Number of epochs.
    held_out : int
        Proteins kept from training.
    precision : {"auto", "32-true", "bf16-mixed", "16-mixed"}
        Lightning's name of the number format; `auto` is `bf16-mixed` where the processor has instructions for it, and
        `32-true` elsewhere.
    optimizer : {"adamw", "muon"}
        AdamW for all weights, or Muon for the matrices of the layers.
    teacher : str, optional
        Folder, file of fair-esm or hub name of an ESM-2 whose hidden states the encoder learns, too.
    teacher_name : str, optional
        What the teacher is, for the card; by default `teacher`.
    teacher_licence : str
        Licence of the teacher, for the card.
    distillation : DistillationParameters
        How it learns from the teacher.
    seed : int
        Seed of the held-out proteins, the initial weights and the batches.
    """

    data: str
    licence: str
    layers: Count
    width: Count
    heads: Count
    crop_length: Count
    batch_size: Count
    masked_fraction: Fraction
    learning_rate: float = Field(gt=0)
    weight_decay: float = Field(ge=0)
    gradient_clip: float = Field(gt=0)
    warmup_steps: Count
    steps_per_epoch: Count
    epochs: Count
    held_out: Count
    precision: TrainingPrecision
    optimizer: OptimizerName = "adamw"
    teacher: str | None = None
    teacher_name: str | None = None
    teacher_licence: str = "not stated"
    distillation: DistillationParameters = DistillationParameters()
    seed: int
