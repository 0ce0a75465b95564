"""Parameters of `finetuning`."""

from typing import Annotated, Literal, get_args

from pydantic import Field, field_validator

from esm2_amp.parameters.base import Count, Parameters, Positive
from esm2_amp.parameters.run import TrainingPrecision

AdaptedMap = Literal["query", "key", "value", "attention_output", "expansion", "contraction"]
"""The linear maps of an ESM-2's layer: four of the attention, two of the feed-forward block."""


class FinetuningParameters(Parameters):
    """How an encoder is adapted to pairs (LoRA, Hu et al. 2022).

    The order of the pairs, the weight decay of the network and its micro-batches are those of the model that the
    fine-tuning starts from.

    Attributes
    ----------
    rank : int
        Rank of the change of each adapted map, at most the width of the encoder.
    alpha : float
        The change is scaled by `alpha / rank`.
    dropout : float
        Dropout before each adapter.
    modules : tuple of {"query", "key", "value", "attention_output", "expansion", "contraction"}
        Which maps of a layer are adapted; also as a text with blanks between them.
    layers : int, optional
        How many layers are adapted, counted from the last; all by default. Gradients don't go below these, so that
        fewer need less memory.
    learning_rate : float
        Learning rate of the adapters at the end of the warm-up; it falls linearly to 0. They have no weight decay.
    network_learning_rate : float
        The same for the network of pairs.
    warmup_steps : int
        Steps in which the learning rates rise.
    pairs_per_step : int
        Pairs per step of the optimiser. Each of their proteins is embedded once.
    epochs : int
        Number of epochs. The one with the best validation MCC is kept.
    gradient_clip : float, optional
        Largest norm of the gradient; with null gradients aren't clipped.
    tokens_at_once : int
        Residues, cls and eos that go through the encoder together with gradients, which decides on the memory. The
        proteins of a step that are more than these are read in parts, whose gradients add up.
    recompute : bool
        Whether what lies within a layer is computed again for the gradients, in place of being kept, which needs less
        memory and more time.
    precision : {"auto", "32-true", "bf16-mixed", "16-mixed"}
        Lightning's name of the number format; `auto` is `bf16-mixed` where the device has instructions for it.
    licence : str
        Licence of the tuned encoder, for its card; that of the encoder before holds for it, too.
    """

    rank: Count
    alpha: Positive
    dropout: Annotated[float, Field(ge=0, lt=1)]
    modules: tuple[AdaptedMap, ...]
    layers: Count | None
    learning_rate: Positive
    network_learning_rate: Positive
    warmup_steps: Annotated[int, Field(ge=0)]
    pairs_per_step: Count
    epochs: Count
    gradient_clip: Positive | None
    tokens_at_once: Count
    recompute: bool
    precision: TrainingPrecision
    licence: str

    @field_validator("modules", mode="before")
    @classmethod
    def _split_text(cls, value: object) -> object:
        return value.split() if isinstance(value, str) else value

    @field_validator("modules", mode="after")
    @classmethod
    def _some(cls, value: tuple[AdaptedMap, ...]) -> tuple[AdaptedMap, ...]:
        if not value:
            raise ValueError(f"at least one of {', '.join(get_args(AdaptedMap))} must be adapted, got none")
        return value
