"""Parameters of `interpretability`."""

from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from esm2_amp.parameters.base import Fraction, Parameters

ModelMethod = Literal["attention", "attention_last_layer", "attention_rollout", "integrated_gradients"]
LatentMethod = Literal["forest_shap", "network_shap", "network_gradients", "gini"]


class GradientParameters(Parameters):
    """How the path from the baseline to a pair is integrated.

    Attributes
    ----------
    steps : int
        Points on the path to each pair (Gauss-Legendre).
    internal_batch : int
        Points passed through the network at once.
    tolerance : float
        Fraction of a pair's logit difference from the baseline by which its attributions may fail to add up to it.
    share : float
        Fraction of the pairs that must be within the tolerance; a warning says so where fewer are.
    max_steps : int
        Points up to which the path to a pair outside the tolerance is integrated more finely, where it misses most.
    """

    steps: int = Field(ge=1)
    internal_batch: int = Field(ge=1)
    tolerance: float = Field(gt=0)
    share: float = Field(ge=0, le=1)
    max_steps: int = Field(ge=1)

    @model_validator(mode="after")
    def _allow_the_first_steps(self) -> Self:
        if self.max_steps < self.steps:
            raise ValueError(f"max_steps must be at least steps, got {self.max_steps} and {self.steps}")
        return self


class FaithfulnessParameters(Parameters):
    """How orders of tokens are tested.

    Attributes
    ----------
    pairs : int
        True positives whose tokens are deleted and inserted.
    random_orders : int
        Random orders drawn for each pair.
    """

    pairs: int = Field(ge=2)
    random_orders: int = Field(ge=1)


class RandomisedWeightsParameters(Parameters):
    """How the control with randomised weights is made.

    Attributes
    ----------
    pairs : int
        Pairs that are explained by the trained and the randomised networks.
    """

    pairs: int = Field(ge=2)


class ScanParameters(Parameters):
    """How sequences are changed to see where a score rests.

    Attributes
    ----------
    window : int
        Residues that are replaced together, fewer than any explained protein has.
    step : int
        Residues from one window to the next, at most `window`.
    replace_by : {"mask", "background"}
        Whether residues become `<mask>`, or others drawn by their frequency in UniProtKB/Swiss-Prot.
    draws : int
        Times that each window is drawn from the background; their mean counts.
    """

    window: int = Field(ge=1)
    step: int = Field(ge=1)
    replace_by: Literal["mask", "background"]
    draws: int = Field(ge=1)

    @model_validator(mode="after")
    def _reach_every_residue(self) -> Self:
        if self.step > self.window:
            raise ValueError(f"step must be at most window, got {self.step} and {self.window}")
        return self


class ResidueParameters(Parameters):
    """How residues are explained, and how their explanation is tested.

    Attributes
    ----------
    scan : ScanParameters
        How sequences are changed.
    fractions : tuple of float
        Shares of a pair's residues that are masked, ascending: the points of a deletion curve.
    random_windows : int
        Random placements, of windows as long as the masked ones, for each point of a pair.
    scanned_pairs : int
        True positives whose sequences are changed: scanned window by window, and masked residue by residue; 0 leaves
        both out.
    scanned_up_to : int
        Residues of the longest protein that is changed; pairs with longer ones are passed over.
    top : int
        Residues of a protein among which those of a planted motif are sought.
    near : int
        Distance in residues up to which a peak counts as at the motif.
    smoothing : int
        Residues over which a profile is averaged before its peak is looked for.
    windows, window : int
        How many windows of each protein are listed as the strongest, and their residues.
    """

    scan: ScanParameters
    fractions: tuple[Fraction, ...] = Field(min_length=1)
    random_windows: int = Field(ge=1)
    scanned_pairs: int = Field(ge=0)
    scanned_up_to: int = Field(ge=1)
    top: int = Field(ge=1)
    near: int = Field(ge=0)
    smoothing: int = Field(ge=1)
    windows: int = Field(ge=1)
    window: int = Field(ge=1)

    @field_validator("fractions")
    @classmethod
    def _ascend(cls, value: tuple[float, ...]) -> tuple[float, ...]:
        if list(value) != sorted(set(value)):
            raise ValueError(f"fractions must ascend, got {', '.join(map(str, value))}")
        return value


class InterpretabilityParameters(Parameters):
    """Which pairs are explained, and how.

    Attributes
    ----------
    split : {"test", "validation", "train"}
        Which pairs are explained.
    methods : tuple of str
        Methods that explain the model by its own attention or gradients, in the order of figures; also one text with
        spaces between.
    pairs : int, optional
        How many are drawn, half of them true positives where there are enough; all by default.
    chosen_pairs : tuple of str
        Pairs that are always among them and get a heat map each, as `Protein1-Protein2` in either order; also one
        text with spaces between.
    background : int
        Training pairs that stand for a pair without information: their mean is the baseline, and explanations on
        latents compare a pair with each of them.
    batch_size : int
        Pairs passed through the network at once.
    integrated_gradients, faithfulness, randomised_weights, residues
        Parameters of these methods and tests.
    """

    split: Literal["test", "validation", "train"]
    methods: tuple[ModelMethod, ...] = Field(min_length=1)
    pairs: int | None = Field(ge=2)
    chosen_pairs: tuple[str, ...]
    background: int = Field(ge=1)
    batch_size: int = Field(ge=1)
    integrated_gradients: GradientParameters
    faithfulness: FaithfulnessParameters
    randomised_weights: RandomisedWeightsParameters
    residues: ResidueParameters

    @field_validator("chosen_pairs", "methods", mode="before")
    @classmethod
    def _split_text(cls, value: object) -> object:
        return value.split() if isinstance(value, str) else value
