"""Nodes of `interpretability`: which tokens of a pair a model's score rests on, by attention and by its gradients."""

import logging
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from esm2_amp.cluster import Cluster
from esm2_amp.errors import InputError
from esm2_amp.explanation.methods import METHODS, explain
from esm2_amp.explanation.results import Explanations, importances, of_same_pairs, token_columns
from esm2_amp.parameters.interpretability import InterpretabilityParameters
from esm2_amp.parameters.model_training import ModelParameters
from esm2_amp.parameters.run import RunParameters
from esm2_amp.pipelines.types import (
    Figures,
    GradientPath,
    PairNetwork,
    ProteinFeatures,
    Tensor,
    TrainedModel,
)

logger = logging.getLogger(__name__)


def select_explained_pairs(
    pairs: pd.DataFrame,
    features: ProteinFeatures,
    model: TrainedModel,
    scored: pd.DataFrame,
    metrics: dict[str, Any],
    parameters: InterpretabilityParameters,
    run: RunParameters,
) -> pd.DataFrame:
    """Choose the pairs that all methods explain: those asked for by name, and a sample of the test pairs.

    Half of the sample are interacting pairs that the model recognises (true positives), where there are enough.

    Parameters
    ----------
    pairs : DataFrame
        `model_pairs` of `pair_building`.
    features : ProteinFeatures
        Vectors of the proteins in the pairs.
    model : TrainedModel
        Scores training pairs, where these are explained: the evaluation leaves them out.
    scored : DataFrame
        The model's `scored_pairs` of `evaluation`.
    metrics : dict
        The model's, of `evaluation`, with the `threshold` of its decisions.
    parameters : InterpretabilityParameters
        Which pairs are explained, and how.
    run : RunParameters
        Device, seed, size of scoring batches, and what figures call the data.

    Returns
    -------
    explained_pairs : DataFrame
        `Protein1`, `Protein2`, `Label`, `Probability` and `Prediction` as the evaluation has them.

    Raises
    ------
    InputError
        The split has no pairs, a chosen pair isn't among them, or other pairs were scored than those there are now.
    """
    from esm2_amp.explanation.selection import draw_pairs, find_pairs, is_true_positive

    chosen = find_pairs(pairs, parameters.chosen_pairs, parameters.split)
    rows = np.flatnonzero(pairs["split"] == parameters.split)
    if not len(rows):
        raise InputError(
            f"interpretability.split must be one that holds pairs, but there are none in {parameters.split!r}; "
            "choose another"
        )
    of_split = pairs.iloc[rows].reset_index(drop=True)
    if parameters.split == "train":
        found = _scored(of_split, features, model, metrics["threshold"], run)
    else:
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
    columns = ["Protein1", "Protein2", "Label", "Probability", "Prediction"]
    return found.iloc[drawn][columns].astype({"Label": "int8"}).reset_index(drop=True)


def _scored(
    pairs: pd.DataFrame, features: ProteinFeatures, model: TrainedModel, threshold: float, run: RunParameters
) -> pd.DataFrame:
    """Pairs with `Label`, `Probability` and `Prediction`, as the evaluation would have them."""
    from esm2_amp.devices import resolve_device
    from esm2_amp.models.scoring import score_pairs
    from esm2_amp.statistics.metrics import decisions, sigmoid

    of_model, device = model.pairs(features, pairs), resolve_device(run.device)
    probability = sigmoid(score_pairs(model.network, of_model, batch_size=run.scoring_batch_size, device=device))
    named = pairs[["Protein1", "Protein2"]].assign(Label=pairs["label"])
    return named.assign(Probability=probability, Prediction=decisions(probability, threshold))


def explain_pairs(
    explained: pd.DataFrame,
    pairs: pd.DataFrame,
    features: ProteinFeatures,
    model: TrainedModel,
    parameters: InterpretabilityParameters,
    run: RunParameters,
) -> tuple[Explanations, Figures, tuple[GradientPath, ...]]:
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
    paths : tuple of GradientPath
        What residues are explained from; empty where Integrated Gradients aren't among the methods.
    """
    from esm2_amp.devices import resolve_device
    from esm2_amp.explanation.context import ModelContext
    from esm2_amp.explanation.drawing import Subject, draw_explanations
    from esm2_amp.explanation.gradients import GradientPath

    context = ModelContext(
        explained,
        model.pairs(features, explained),
        model.network,
        baseline_of(model, features, pairs, parameters, run),
        _chosen_among(explained, parameters),
        parameters.integrated_gradients,
        parameters.batch_size,
        resolve_device(run.device),
        keep_path=True,
        cluster=Cluster.of(run),
    )
    found = explain(parameters.methods, context)
    paths = GradientPath.taken_from(found, context, features)
    drawn = draw_explanations(found, context, Subject(model.architecture, parameters.split, run.data_name))
    return found, drawn, paths


def baseline_of(
    model: TrainedModel,
    features: ProteinFeatures,
    pairs: pd.DataFrame,
    parameters: InterpretabilityParameters,
    run: RunParameters,
) -> Tensor:
    """The average pair that explanations start from, shape (T, D): the mean of training pairs drawn with the seed."""
    from esm2_amp.explanation.gradients import mean_pair
    from esm2_amp.explanation.selection import draw_background

    return mean_pair(model.pairs(features, draw_background(pairs, parameters.background, run.seed)))


def _chosen_among(explained: pd.DataFrame, parameters: InterpretabilityParameters) -> list[int]:
    """Rows of the chosen pairs, in the order in which they were asked for."""
    from esm2_amp.explanation.selection import find_pairs

    return find_pairs(explained.assign(split=parameters.split), parameters.chosen_pairs, parameters.split)


def compare_methods(
    explained: pd.DataFrame,
    explanations: Explanations,
    latent_explanations: Explanations | None,
) -> pd.DataFrame:
    """Ask whether the methods rank the tokens alike: over all pairs, and within each pair.

    Methods that agree may still all be wrong; where they disagree, at most one of them is right.

    Parameters
    ----------
    explained : DataFrame
        `explained_pairs`.
    explanations, latent_explanations : dict of Explanation
        Those on latents are taken along where they are of the same pairs.

    Returns
    -------
    agreement : DataFrame
        Rank correlations of each two methods.
    """
    from esm2_amp.explanation.agreement import method_agreement

    return method_agreement(of_same_pairs(explained, explanations, latent_explanations))


def measure_faithfulness(
    explained: pd.DataFrame,
    explanations: Explanations,
    latent_explanations: Explanations | None,
    pairs: pd.DataFrame,
    features: ProteinFeatures,
    model: TrainedModel,
    parameters: InterpretabilityParameters,
    run: RunParameters,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Ask whether the score rests on the tokens that a method calls important.

    Take them away one by one, the most important first (deletion): the probability should fall sooner than in a random
    order. Put them back into an average pair (insertion): it should rise sooner. Done with true positives.

    Returns
    -------
    areas : DataFrame
        Area under each method's curve, and how it differs from that of random orders.
    curves : DataFrame
        Mean probability by the number of tokens taken away or put back.
    """
    from esm2_amp.devices import resolve_device
    from esm2_amp.explanation.faithfulness import Scorer, faithfulness
    from esm2_amp.explanation.selection import likely_positives

    tables = importances(of_same_pairs(explained, explanations, latent_explanations))
    options = parameters.faithfulness
    rows = likely_positives(explained, options.pairs, run.seed)
    tested = explained.iloc[rows]
    scorer = Scorer(
        model.network,
        model.pairs(features, tested),
        baseline_of(model, features, pairs, parameters, run),
        parameters.batch_size,
        resolve_device(run.device),
    )
    ranked = {name: table[token_columns(table)].to_numpy()[rows] for name, table in tables.items()}
    return faithfulness(ranked, scorer, random_orders=options.random_orders, seed=run.seed)


def randomise_weights(
    explained: pd.DataFrame,
    pairs: pd.DataFrame,
    features: ProteinFeatures,
    model: TrainedModel,
    parameters: InterpretabilityParameters,
    run: RunParameters,
) -> pd.DataFrame:
    """Ask whether the explanations are of what the model learnt: replace its weights by random ones and explain again.

    From the head down to the first layer, more and more of the network is initialised anew. An explanation that hardly
    changes shows the data or the architecture, not the model.

    Returns
    -------
    table : DataFrame
        Rank correlations with the trained model's explanation, by how much is random.
    """
    from esm2_amp.devices import resolve_device
    from esm2_amp.explanation.attention import read_attention
    from esm2_amp.explanation.gradients import integrated_gradients
    from esm2_amp.explanation.randomisation import randomised_weights
    from esm2_amp.explanation.selection import likely_positives

    explained = explained.iloc[likely_positives(explained, parameters.randomised_weights.pairs, run.seed)]
    of_model, device = model.pairs(features, explained), resolve_device(run.device)
    baseline = baseline_of(model, features, pairs, parameters, run)
    options = parameters.integrated_gradients
    quickly = options.model_copy(update={"max_steps": options.steps, "share": 0.0})

    def explain(network: PairNetwork) -> dict[str, NDArray[np.float32]]:
        attention = read_attention(network, of_model, batch_size=parameters.batch_size, device=device)
        gradients = integrated_gradients(network, of_model, baseline=baseline, parameters=quickly, device=device)
        return attention.importance | {"integrated_gradients": gradients.importance}

    return randomised_weights(model.network, explain, run.seed)


def check_planted_truth(
    explained: pd.DataFrame,
    explanations: Explanations,
    latent_explanations: Explanations | None,
    sites: pd.DataFrame | None,
    settings: ModelParameters,
) -> pd.DataFrame:
    """Where it is known which segments make two proteins interact, ask how often the methods find them.

    Only synthetic data tells. Of interacting pairs that the model recognises, the share is counted whose most important
    token, or one of the three most important, holds a planted site; beside it stands the share by chance. Without known
    sites the table is empty.

    Returns
    -------
    table : DataFrame
        Of `planted_truth`.
    """
    from esm2_amp.explanation.planted import COLUMNS, planted_truth

    if sites is None or not sites["Entry"].isin(explained[["Protein1", "Protein2"]].to_numpy().ravel()).any():
        logger.info("No planted site is known in the explained pairs: nothing to check the methods against")
        return pd.DataFrame(columns=COLUMNS)
    table = planted_truth(importances(of_same_pairs(explained, explanations, latent_explanations)), sites)
    if len(table):
        logger.info("%s", "\n".join(_lines(table, settings.network.architecture)))
    return table


def _lines(table: pd.DataFrame, model: str) -> Iterator[str]:
    """The planted truth for the log, in lines that fit a terminal of 80 columns beside the time and level."""
    from esm2_amp.explanation.planted import TOPS

    width = max(len(METHODS[method].name) for method in table["Method"])
    yield f"{model}: how often the most important tokens of a pair hold a planted site"
    yield f"{'':{width}}" + "".join(f"  {f'top {top}':>7}" for top in TOPS)
    rates = table.pivot_table("Rate", "Method", "Top", sort=False).rename(index=lambda method: METHODS[method].name)
    chance = table.groupby("Top")["Chance"].mean().rename("chance")
    for name, row in pd.concat([rates, chance.to_frame().T]).iterrows():
        yield f"{name:<{width}}" + "".join(f"  {100 * row[top]:5.1f} %" for top in TOPS)
