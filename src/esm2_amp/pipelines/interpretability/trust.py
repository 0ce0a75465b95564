"""Nodes of `interpretability` that ask how far the explanations may be trusted."""

import logging
from collections.abc import Iterator

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import NDArray

from esm2_amp.devices import resolve_device
from esm2_amp.explanation import figures
from esm2_amp.explanation.agreement import method_agreement
from esm2_amp.explanation.attention import read_attention, require_attention
from esm2_amp.explanation.drawing import Subject
from esm2_amp.explanation.faithfulness import Scorer, faithfulness
from esm2_amp.explanation.gradients import integrated_gradients
from esm2_amp.explanation.methods import METHODS
from esm2_amp.explanation.planted import COLUMNS, TOPS, planted_truth
from esm2_amp.explanation.randomisation import randomised_weights
from esm2_amp.explanation.results import Explanations, importances, of_same_pairs, token_columns
from esm2_amp.explanation.selection import is_true_positive
from esm2_amp.features import ProteinFeatures
from esm2_amp.models.amp import TransformerPairNetwork
from esm2_amp.models.storage import TrainedModel
from esm2_amp.parameters.interpretability import InterpretabilityParameters
from esm2_amp.parameters.model_training import ModelParameters
from esm2_amp.parameters.run import RunParameters
from esm2_amp.pipelines.interpretability.nodes import baseline_of

logger = logging.getLogger(__name__)


def compare_methods(
    explained: pd.DataFrame,
    explanations: Explanations,
    latent_explanations: Explanations | None,
    settings: ModelParameters,
    parameters: InterpretabilityParameters,
    run: RunParameters,
) -> tuple[pd.DataFrame, Figure]:
    """Ask whether the methods rank the tokens alike: over all pairs, and within each pair.

    Methods that agree may still all be wrong; where they disagree, at most one of them is right.

    Parameters
    ----------
    explained : DataFrame
        `explained_pairs`.
    explanations, latent_explanations : dict of Explanation
        Those on latents are taken along where they are of the same pairs.
    settings : ModelParameters
        Of the explained model.
    parameters : InterpretabilityParameters
    run : RunParameters

    Returns
    -------
    agreement : DataFrame
        Rank correlations of each two methods.
    plot : Figure
        The same as a matrix.
    """
    agreement = method_agreement(of_same_pairs(explained, explanations, latent_explanations))
    title = _subject(settings.network.architecture, parameters, run).title("agreement of the methods", explained)
    return agreement, figures.agreement_matrix(agreement, title)


def measure_faithfulness(
    explained: pd.DataFrame,
    explanations: Explanations,
    latent_explanations: Explanations | None,
    pairs: pd.DataFrame,
    features: ProteinFeatures,
    model: TrainedModel,
    parameters: InterpretabilityParameters,
    run: RunParameters,
) -> tuple[pd.DataFrame, pd.DataFrame, Figure]:
    """Ask whether the score rests on the tokens that a method calls important.

    Take them away one by one, the most important first (deletion): the probability should fall sooner than in a random
    order. Put them back into an average pair (insertion): it should rise sooner. Done with true positives.

    Returns
    -------
    areas : DataFrame
        Area under each method's curve, and how it differs from that of random orders.
    curves : DataFrame
        Mean probability by the number of tokens taken away or put back.
    plot : Figure
    """
    tables = importances(of_same_pairs(explained, explanations, latent_explanations))
    options = parameters.faithfulness
    rows = _positives(explained, options.pairs, run.seed)
    tested = explained.iloc[rows]
    scorer = Scorer(
        model.network,
        model.pairs(features, tested),
        baseline_of(model, features, pairs, parameters, run),
        parameters.batch_size,
        resolve_device(run.device),
    )
    ranked = {name: table[token_columns(table)].to_numpy()[rows] for name, table in tables.items()}
    found = faithfulness(ranked, scorer, random_orders=options.random_orders, seed=run.seed)
    title = _subject(model.architecture, parameters, run).title("faithfulness of explanations", tested)
    return *found, figures.faithfulness_figure(*found, title)


def randomise_weights(
    explained: pd.DataFrame,
    pairs: pd.DataFrame,
    features: ProteinFeatures,
    model: TrainedModel,
    parameters: InterpretabilityParameters,
    run: RunParameters,
) -> tuple[pd.DataFrame, Figure]:
    """Ask whether the explanations are of what the model learnt: replace its weights by random ones and explain again.

    From the head down to the first layer, more and more of the network is initialised anew. An explanation that hardly
    changes shows the data or the architecture, not the model.

    Returns
    -------
    table : DataFrame
        Rank correlations with the trained model's explanation, by how much is random.
    plot : Figure
    """
    explained = explained.iloc[_positives(explained, parameters.randomised_weights.pairs, run.seed)]
    of_model, device = model.pairs(features, explained), resolve_device(run.device)
    baseline = baseline_of(model, features, pairs, parameters, run)
    options = parameters.integrated_gradients
    quickly = options.model_copy(update={"max_steps": options.steps, "share": 0.0})

    def explain(network: TransformerPairNetwork) -> dict[str, NDArray[np.float32]]:
        attention = read_attention(network, of_model, batch_size=parameters.batch_size, device=device)
        gradients = integrated_gradients(network, of_model, baseline=baseline, parameters=quickly, device=device)
        return attention.importance | {"integrated_gradients": gradients.importance}

    found = randomised_weights(require_attention(model.network), explain, run.seed)
    title = _subject(model.architecture, parameters, run).title("control with randomised weights", explained)
    return found, figures.randomised_weights_figure(found, title)


def check_planted_truth(
    explained: pd.DataFrame,
    explanations: Explanations,
    latent_explanations: Explanations | None,
    sites: pd.DataFrame | None,
    settings: ModelParameters,
    parameters: InterpretabilityParameters,
    run: RunParameters,
) -> tuple[pd.DataFrame, Figure]:
    """Where it is known which segments make two proteins interact, ask how often the methods find them.

    Only synthetic data tells. Of interacting pairs that the model recognises, the share is counted whose most important
    token, or one of the three most important, holds a planted site; beside it stands the share by chance. Without known
    sites the table is empty and nothing is drawn.

    Returns
    -------
    table : DataFrame
        Of `planted_truth`.
    plot : Figure
    """
    if sites is None or not sites["Entry"].isin(explained[["Protein1", "Protein2"]].to_numpy().ravel()).any():
        logger.info("No planted site is known in the explained pairs: nothing to check the methods against")
        return pd.DataFrame(columns=COLUMNS), Figure()
    table = planted_truth(importances(of_same_pairs(explained, explanations, latent_explanations)), sites)
    for line in _lines(table, settings.network.architecture) if len(table) else ():
        logger.info("%s", line)
    is_used = is_true_positive(explained)
    used = explained[is_used] if is_used.any() else explained
    title = _subject(settings.network.architecture, parameters, run).title("planted truth", used)
    return table, figures.planted_truth_figure(table, title)


def _subject(model: str, parameters: InterpretabilityParameters, run: RunParameters) -> Subject:
    return Subject(model, parameters.split, run.data_name)


def _lines(table: pd.DataFrame, model: str) -> Iterator[str]:
    """The planted truth for the log, in lines that fit a terminal of 80 columns beside the time and level."""
    width = max(len(METHODS[method].name) for method in table["Method"])
    yield f"{model}: how often the most important tokens of a pair hold a planted site"
    yield f"{'':{width}}" + "".join(f"  {f'top {top}':>7}" for top in TOPS)
    rates = table.pivot_table("Rate", "Method", "Top", sort=False).rename(index=lambda method: METHODS[method].name)
    chance = table.groupby("Top")["Chance"].mean().rename("chance")
    for name, row in pd.concat([rates, chance.to_frame().T]).iterrows():
        yield f"{name:<{width}}" + "".join(f"  {100 * row[top]:5.1f} %" for top in TOPS)


def _positives(explained: pd.DataFrame, count: int, seed: int) -> NDArray[np.int64]:
    """Rows of true positives, drawn evenly; where there are too few, also of the other pairs of highest probability."""
    drawn = np.random.default_rng(seed).permutation(len(explained))
    is_found, probability = is_true_positive(explained)[drawn], explained["Probability"].to_numpy()[drawn]
    found_first = np.lexsort([np.where(is_found, 0, -probability), ~is_found])
    return np.sort(drawn[found_first[:count]])
