"""Parameters of `hyperparameter_search`: how a study is run, and which values it may try (METHOD section 4)."""

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Discriminator, Field, RootModel, Tag, model_validator

from esm2_amp.parameters.base import Parameters

if TYPE_CHECKING:
    import optuna


class FloatRange(Parameters):
    """A number between two bounds.

    Attributes
    ----------
    low, high : float
        The bounds, which may be drawn too.
    log : bool
        Whether values are drawn evenly on the logarithm.
    """

    low: float
    high: float
    log: bool = False

    @model_validator(mode="after")
    def _ordered(self) -> "FloatRange":
        if not self.low < self.high or (self.log and self.low <= 0):
            raise ValueError(f"low < high must hold (and 0 < low where log), got low {self.low}, high {self.high}")
        return self

    def suggest(self, trial: "optuna.Trial", name: str) -> float:
        """Draw a value for a trial."""
        return trial.suggest_float(name, self.low, self.high, log=self.log)


class IntRange(Parameters):
    """A whole number between two bounds, in steps.

    Attributes
    ----------
    low, high : int
        The bounds; `high` may be drawn where a whole number of steps leads to it.
    step : int
        Distance of neighbouring values.
    """

    low: Annotated[int, Field(ge=1)]
    high: Annotated[int, Field(ge=1)]
    step: Annotated[int, Field(ge=1)]

    @model_validator(mode="after")
    def _ordered(self) -> "IntRange":
        if self.low > self.high:
            raise ValueError(f"low <= high must hold, got low {self.low}, high {self.high}")
        return self

    def suggest(self, trial: "optuna.Trial", name: str) -> int:
        """Draw a value for a trial."""
        return trial.suggest_int(name, self.low, self.high, step=self.step)


def _kind(span: Any) -> str:
    has_step = "step" in span if isinstance(span, dict) else isinstance(span, IntRange)
    return "steps" if has_step else "continuous"


_Range = Annotated[Annotated[IntRange, Tag("steps")] | Annotated[FloatRange, Tag("continuous")], Discriminator(_kind)]


class SearchSpace(RootModel[dict[str, _Range]]):
    """Ranges by the name of a network's size (`h1`) or of a training setting (`learning_rate`); at least one."""

    model_config = {"frozen": True}

    @model_validator(mode="after")
    def _not_empty(self) -> "SearchSpace":
        if not self.root:
            raise ValueError("a search space must name at least one parameter, got none")
        return self

    def suggest(self, trial: "optuna.Trial") -> dict[str, float | int]:
        """Draw a value for every parameter of the space."""
        return {name: span.suggest(trial, name) for name, span in self.root.items()}

    @property
    def lowest(self) -> dict[str, float | int]:
        """The lower end of every range."""
        return {name: span.low for name, span in self.root.items()}

    @property
    def highest(self) -> dict[str, float | int]:
        """The upper end of every range."""
        return {name: span.high for name, span in self.root.items()}


class SearchParameters(Parameters):
    """How a search is run.

    Attributes
    ----------
    enabled : bool
        Whether `training` searches first, and trains with the best parameters.
    trials : int
        Trials of the whole study, those of earlier runs counted.
    mode : {"cross_validation", "holdout"}
        Whether a trial's value is the mean over folds of the training pairs, or that of the validation pairs.
    folds : int
        Number of folds, which are stratified and shuffled.
    epochs : int, optional
        Epochs of each fit; by default as many as the final training has.
    study : str
        Name of the study; the model's name is put before it.
    storage : str, optional
        URL of an SQL database that several machines can reach; by default a journal file beside the model.
    pruning : {"none", "median"}
        Whether a trial ends early where it is worse at an epoch than the median of earlier trials.
    """

    enabled: bool
    trials: Annotated[int, Field(ge=1)]
    mode: Literal["cross_validation", "holdout"]
    folds: Annotated[int, Field(ge=2)]
    epochs: Annotated[int, Field(ge=1)] | None = None
    study: Annotated[str, Field(min_length=1)]
    storage: str | None = None
    pruning: Literal["none", "median"]
