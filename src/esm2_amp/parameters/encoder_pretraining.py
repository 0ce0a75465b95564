"""Parameters of `encoder_pretraining`."""

from pydantic import Field

from esm2_amp.parameters.base import Count, Fraction, Parameters


class PretrainingParameters(Parameters):
    """Size and training of a small ESM-2.

    Attributes
    ----------
    data, licence : str
        What the sequences are, and on which terms they are had, for the card.
    layers, width, heads : int
        Of the encoder; the feed-forward width is 4 × width.
    crop_length : int
        Tokens of a training example.
    batch_size : int
        Crops per step.
    masked_fraction : float
        Share of the residues to be predicted.
    learning_rate, weight_decay, gradient_clip : float
    warmup_steps, steps_per_epoch, epochs : int
        An epoch ends with a checkpoint and the loss on held-out proteins.
    held_out : int
        Proteins kept from training.
    precision : str
        Lightning's name of the number format.
    seed : int
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
    precision: str
    seed: int
