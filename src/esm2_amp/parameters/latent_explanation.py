"""Parameters of `latent_explanation`: the autoencoder, the classifiers on its latents, and their explanation."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, field_validator

from esm2_amp.parameters.base import Count, Fraction, Parameters, Positive
from esm2_amp.parameters.hyperparameter_search import SearchSpace
from esm2_amp.parameters.interpretability import GradientParameters, LatentMethod
from esm2_amp.parameters.model_training import ARCHITECTURES, AEDNNParameters, TrainingParameters

SEARCHABLE = ("n_estimators", "max_depth", "min_samples_split", "min_samples_leaf", "max_features", "max_samples")
"""Parameters of scikit-learn's forest that a space may name; the last two as fractions."""


class AutoencoderParameters(Parameters):
    """Sizes of the autoencoder, and how it is fitted.

    Attributes
    ----------
    latent : int
        Number K of latents of a token.
    hidden : tuple of int
        Widths of the encoder's blocks.
    learning_rate : float
        Learning rate of Adam.
    batch_size : int
        Tokens per step, at least.
    epochs, patience : int
        Epochs at most, and epochs without a lower loss on held-out proteins after which the fit ends.
    held_out : float
        Fraction of the proteins of the training pairs that only decide when the fit ends.
    weights : dict
        Weights to use instead of a fit, by the name of a model: a published `.pth` file, or a folder of this project.
    """

    latent: Count
    hidden: tuple[Count, ...] = Field(min_length=1)
    learning_rate: Positive
    batch_size: Annotated[int, Field(ge=2)]
    epochs: Count
    patience: Count
    held_out: Fraction
    weights: dict[str, Path]

    @field_validator("weights")
    @classmethod
    def _of_models(cls, weights: dict[str, Path]) -> dict[str, Path]:
        if unknown := [name for name in weights if name not in ARCHITECTURES]:
            raise ValueError(
                f"weights must be given by the name of a model ({', '.join(ARCHITECTURES)}), got {unknown[0]!r}"
            )
        return weights


class ForestParameters(Parameters):
    """How the forest is searched and fitted.

    Attributes
    ----------
    trials : int
        Trials of Optuna's TPE sampler.
    mode : {"cross_validation", "holdout"}
        What a trial's value is: the mean MCC over folds of the training pairs, or the MCC on the validation pairs.
    folds : int
        Number of folds, which are stratified and shuffled.
    pairs : int, optional
        Training pairs that forests are fitted on at most, drawn with the seed; all by default.
    search_space : SearchSpace
        Ranges of the forest's parameters.
    jobs : int
        Trees grown at once; -1 for as many as there are cores.
    """

    trials: Count
    mode: Literal["cross_validation", "holdout"]
    folds: Count
    pairs: Count | None = None
    search_space: SearchSpace
    jobs: int = -1

    @field_validator("search_space")
    @classmethod
    def _known(cls, space: SearchSpace) -> SearchSpace:
        if unknown := [name for name in space.root if name not in SEARCHABLE]:
            raise ValueError(f"a forest's parameters must be among {', '.join(SEARCHABLE)}, got {', '.join(unknown)}")
        return space


class LatentNetworkParameters(Parameters):
    """AE_DNN: its sizes by name of the explained model, and how it is fitted."""

    sizes: dict[str, AEDNNParameters]
    training: TrainingParameters

    @field_validator("training")
    @classmethod
    def _single(cls, training: TrainingParameters) -> TrainingParameters:
        if training.members != 1:
            raise ValueError(f"members must be 1, since one network is explained on latents, got {training.members}")
        return training


class LatentParameters(Parameters):
    """The autoencoder, the classifiers on its latents, and their explanation.

    Attributes
    ----------
    enabled : bool
        Whether runs that explain models do so on latents, too. `--pipeline=latent_explanation` does in any case.
    methods : tuple of str
        Methods in the order of figures; also one text with spaces between.
    autoencoder, forest, network
        Parameters of the autoencoder and of the two classifiers.
    gradients : GradientParameters
        As `interpretability.integrated_gradients`, on latents.
    """

    enabled: bool
    methods: tuple[LatentMethod, ...] = Field(min_length=1)
    autoencoder: AutoencoderParameters
    forest: ForestParameters
    network: LatentNetworkParameters
    gradients: GradientParameters

    @field_validator("methods", mode="before")
    @classmethod
    def _split_text(cls, value: object) -> object:
        return value.split() if isinstance(value, str) else value
