"""Nodes of `interpretability`: which tokens of a pair a model's score rests on, by attention and by its gradients."""

import numpy as np
import pandas as pd
from torch import Tensor

from esm2_amp.devices import resolve_device
from esm2_amp.errors import InputError
from esm2_amp.explanation.context import ModelContext
from esm2_amp.explanation.drawing import Figures, Subject, draw_explanations
from esm2_amp.explanation.gradients import mean_pair
from esm2_amp.explanation.methods import explain
from esm2_amp.explanation.results import Explanations
from esm2_amp.explanation.selection import draw_background, draw_pairs, find_pairs, is_true_positive
from esm2_amp.features import ProteinFeatures
from esm2_amp.models.storage import TrainedModel
from esm2_amp.parameters.interpretability import InterpretabilityParameters
from esm2_amp.parameters.run import RunParameters


def select_explained_pairs(
    pairs: pd.DataFrame, scored: pd.DataFrame, parameters: InterpretabilityParameters, run: RunParameters
) -> pd.DataFrame:
    """Choose the pairs that all methods explain: those asked for by name, and a sample of the test pairs.

    Half of the sample are interacting pairs that the model recognises (true positives), where there are enough.

    Parameters
    ----------
    pairs : DataFrame
        `model_pairs` of `pair_building`.
    scored : DataFrame
        The model's `scored_pairs` of `evaluation`.
    parameters : InterpretabilityParameters
    run : RunParameters

    Returns
    -------
    explained_pairs : DataFrame
        `Protein1`, `Protein2`, `Label`, `Probability` and `Prediction` as the evaluation has them, and the rows `a`,
        `b` of the partners among the protein features.

    Raises
    ------
    InputError
        The split has no pairs, a chosen pair isn't among them, or other pairs were scored than those there are now.
    """
    chosen = find_pairs(pairs, parameters.chosen_pairs, parameters.split)
    rows = np.flatnonzero(pairs["split"] == parameters.split)
    if not len(rows):
        raise InputError(
            f"interpretability.split must be one that holds pairs, but there are none in {parameters.split!r}; "
            "choose another"
        )
    of_split = pairs.iloc[rows].reset_index(drop=True)
    found = scored[scored["Split"] == parameters.split].reset_index(drop=True)
    if not of_split[["Protein1", "Protein2"]].equals(
        found[["Protein1", "Protein2"]].astype(of_split["Protein1"].dtype)
    ):
        raise InputError(
            f"The {parameters.split} pairs must be those that were scored, but the scores are of others; "
            "run `kedro run --pipeline=evaluation` again"
        )
    positions = np.searchsorted(rows, chosen).tolist()
    drawn = draw_pairs(is_true_positive(found), parameters.pairs, positions, run.seed)
    table = found.join(of_split[["a", "b"]].astype("int64")).astype({"Label": "int8"})
    columns = ["Protein1", "Protein2", "Label", "Probability", "Prediction", "a", "b"]
    return table.iloc[drawn][columns].reset_index(drop=True)


def explain_pairs(
    explained: pd.DataFrame,
    pairs: pd.DataFrame,
    features: ProteinFeatures,
    model: TrainedModel,
    parameters: InterpretabilityParameters,
    run: RunParameters,
) -> tuple[Explanations, Figures]:
    """Explain the pairs by the methods that look into the model itself, and draw what they find.

    Attention: which tokens the model attends to while it scores a pair. Integrated Gradients: how the difference
    between a pair's score and that of an average pair is split among the pair's tokens.

    Returns
    -------
    explanations : dict of Explanation
        By method.
    figures : dict of Figure
        Tokens by mean importance for each method; attention of every layer as heat maps, the mean of all pairs and for
        each chosen pair; and for each chosen pair the tokens that speak for and against an interaction.
    """
    context = ModelContext(
        explained,
        model.pairs(features, explained),
        model.network,
        baseline_of(model, features, pairs, parameters, run),
        _chosen_among(explained, parameters),
        parameters.integrated_gradients,
        parameters.batch_size,
        resolve_device(run.device),
    )
    found = explain(parameters.methods, context)
    return found, draw_explanations(found, context, Subject(model.architecture, parameters.split, run.data_name))


def baseline_of(
    model: TrainedModel,
    features: ProteinFeatures,
    pairs: pd.DataFrame,
    parameters: InterpretabilityParameters,
    run: RunParameters,
) -> Tensor:
    """The average pair that explanations start from, shape (T, D): the mean of training pairs drawn with the seed."""
    return mean_pair(model.pairs(features, draw_background(pairs, parameters.background, run.seed)))


def _chosen_among(explained: pd.DataFrame, parameters: InterpretabilityParameters) -> list[int]:
    """Rows of the chosen pairs, in the order in which they were asked for."""
    return find_pairs(explained.assign(split=parameters.split), parameters.chosen_pairs, parameters.split)
