"""Parameters of `evaluation`."""

from typing import Annotated, Literal, get_args

from pydantic import Field

from esm2_amp.errors import InputError
from esm2_amp.parameters.base import Parameters

Combine = Literal["min", "sum"]


class CompositionParameters(Parameters):
    """Gradient-boosted trees; the defaults had the best validation AUROC of six settings on the Bernett split.

    Attributes
    ----------
    learning_rate, l2_regularization : float
        Weight of each tree, and penalty of the squared values of its leaves.
    max_iter, max_leaf_nodes : int
        Number of trees, and leaves of one at most.
    """

    learning_rate: float = Field(default=0.05, gt=0)
    max_iter: int = Field(default=200, ge=1)
    max_leaf_nodes: int = Field(default=15, ge=2)
    l2_regularization: float = Field(default=0.0, ge=0)


class SimilarityParameters(Parameters):
    """How a pair is compared with training pairs; the defaults had the best validation AUROC of four on Bernett.

    Attributes
    ----------
    combine : {"min", "sum"}
        How the cosines of both partners make the similarity of two pairs.
    subtract_negatives : bool
        Whether the similarity to the nearest training negative is subtracted.
    """

    combine: Combine = "min"
    subtract_negatives: bool = True


class MeanVectorParameters(Parameters):
    """Penalised logistic regression.

    Attributes
    ----------
    penalty : float
        Weight of half the squared norm of the coefficients against the mean loss: 1 / (C · pairs) in scikit-learn.
    max_iter : int
        Steps of the optimiser, each a pass over the training pairs.
    """

    penalty: float = Field(default=0.1, ge=0)
    max_iter: int = Field(default=100, ge=1)


BaselineName = Literal["composition", "mean_vector_logistic", "similarity", "node_degree"]


class BaselineParameters(Parameters):
    """Parameters of all baselines.

    Attributes
    ----------
    use : tuple of str
        Names of the baselines that are fitted; models are compared with the first.
    composition, similarity, mean_vector_logistic
        Parameters of the baselines of these names.
    """

    use: tuple[BaselineName, ...] = Field(default=get_args(BaselineName), min_length=1)
    composition: CompositionParameters = CompositionParameters()
    similarity: SimilarityParameters = SimilarityParameters()
    mean_vector_logistic: MeanVectorParameters = MeanVectorParameters()


class EvaluationParameters(Parameters):
    """How decisions and intervals are made, and the baselines.

    Attributes
    ----------
    threshold : float or "validation"
        Probability from which a pair is predicted to interact; or for each model and baseline the one of its best MCC
        on the validation pairs.
    replicates : int
        Bootstrap replicates behind each interval.
    baselines : BaselineParameters
        The baselines, and their parameters.
    """

    threshold: Annotated[float, Field(gt=0, lt=1)] | Literal["validation"]
    replicates: int = Field(ge=100)
    baselines: BaselineParameters

    @property
    def fixed_threshold(self) -> float:
        """The threshold where there are no validation pairs to choose it on."""
        if self.threshold == "validation":
            raise InputError(
                "evaluation.threshold must be a number where there are no validation pairs, got 'validation'; give "
                "--params=evaluation.threshold=NUMBER, such as the one in the model's metrics.json"
            )
        return self.threshold
