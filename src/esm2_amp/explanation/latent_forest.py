"""AE_RF: a random forest on the latents of pairs, searched by Optuna, explained by Gini importance and Tree SHAP."""

import hashlib
import logging
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import optuna
import pandas as pd
import shap
from numpy.typing import NDArray
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import matthews_corrcoef
from sklearn.model_selection import StratifiedKFold

from esm2_amp.errors import InputError
from esm2_amp.explanation.context import LatentContext
from esm2_amp.explanation.latent_attributions import LatentAttributions, additivity
from esm2_amp.explanation.latents import explanation_of_latents, token_means
from esm2_amp.explanation.results import Explanation, Explanations, token_table
from esm2_amp.parameters.hyperparameter_search import SearchParameters
from esm2_amp.parameters.latent_explanation import ForestParameters
from esm2_amp.progress import Progress
from esm2_amp.protein import pair_token_names
from esm2_amp.search.report import best_parameters, trials_table
from esm2_amp.search.study import open_study, quiet_optuna, run_search

logger = logging.getLogger(__name__)


_EXPLAINED_AT_ONCE = 10
_TREES_AT_ONCE = 25
_LEAST_VOTES = 1e-6
"""Shares of votes of 0 and 1 have no finite logit; they are moved inwards by this much."""


class LabelledPairs(NamedTuple):
    """Latents and labels of pairs: (B, D') float32, (B,) int64."""

    latents: NDArray[np.float32]
    label: NDArray[np.int64]

    def at(self, rows: NDArray[np.int64]) -> "LabelledPairs":
        """Some of the pairs."""
        return LabelledPairs(self.latents[rows], self.label[rows])


class ForestFit(NamedTuple):
    """The forest with the best parameters; those, and every trial, as tables."""

    forest: RandomForestClassifier
    best: pd.DataFrame
    trials: pd.DataFrame


def fit_forest(
    training: LabelledPairs,
    validation: LabelledPairs,
    settings: ForestParameters,
    *,
    name: str,
    folder: Path,
    seed: int,
) -> ForestFit:
    """Search a forest's parameters, and fit it with the best on all training pairs that `settings.pairs` allows.

    Parameters
    ----------
    training, validation : LabelledPairs
        Pairs that forests are fitted on, and those that measure them where `settings.mode` is "holdout".
    settings : ForestParameters
        The space of parameters, and how it is searched.
    name : str
        What the log calls the study.
    folder : Path
        Where the study's journal lies, from which an interrupted search goes on.
    seed : int
        Seed of the search, the folds and the forests.

    Raises
    ------
    InputError
        The training pairs are of one class, or a class has fewer of them than there are folds.
    """
    check_both_classes(training.label, settings)
    training = _subsample(training, settings.pairs, seed)
    folds = _folds(training, validation, settings, seed)

    def objective(trial: optuna.Trial, values: dict[str, Any]) -> float:
        scores = []
        for number, (fitted, measured) in enumerate(folds, start=1):
            fit = f"random forest of trial {trial.number}, fold {number} of {len(folds)}"
            forest = _fitted(_forest(values, settings, seed), fitted, fit)
            scores.append(matthews_corrcoef(measured.label, forest.predict(measured.latents)))
        return float(np.mean(scores))

    # named by what decides its values, so that other data or settings begin another study
    study_name = hashlib.sha256(f"{settings.model_dump_json(exclude={'trials', 'jobs'})} {seed}".encode())
    for part in (*training, *validation):
        study_name.update(part.data)
    search = SearchParameters(
        enabled=True, trials=settings.trials, mode=settings.mode, folds=max(2, settings.folds),
        study=study_name.hexdigest()[:8], pruning="none",
    )  # fmt: skip
    with quiet_optuna():
        study = open_study(name, settings.search_space, {}, folder, search)
        run_search(study, settings.search_space, objective, folder, search, seed=seed)
    best = best_parameters(study)
    forest = _fitted(_forest(best["parameters"], settings, seed), training, "random forest")
    row = {"Trial": best["trial"], "MCC": best["value"], **best["parameters"]}
    return ForestFit(forest, pd.DataFrame([row]), trials_table(study))


def check_both_classes(label: NDArray[np.int64], settings: ForestParameters) -> None:
    """Raise InputError where the training pairs are of one class, or a class has fewer of them than folds."""
    fewest = min(int((label == value).sum()) for value in (0, 1))
    needed = settings.folds if settings.mode == "cross_validation" else 1
    if fewest < needed:
        raise InputError(
            f"AE_RF needs at least {needed} training pairs of each class, got {int((label == 1).sum())} positive and "
            f"{int((label == 0).sum())} negative; add pairs, or lower latent_explanation.forest.folds"
        )


def _subsample(pairs: LabelledPairs, most: int | None, seed: int) -> LabelledPairs:
    if most is None or most >= len(pairs.label):
        return pairs
    order = np.random.default_rng(seed).permutation(len(pairs.label))
    return pairs.at(np.sort(order[:most]))


def _folds(
    training: LabelledPairs, validation: LabelledPairs, settings: ForestParameters, seed: int
) -> list[tuple[LabelledPairs, LabelledPairs]]:
    if settings.mode == "holdout":
        return [(training, validation)]
    splitter = StratifiedKFold(settings.folds, shuffle=True, random_state=seed)
    return [(training.at(fitted), training.at(held)) for fitted, held in splitter.split(*training)]


def _forest(values: dict[str, Any], settings: ForestParameters, seed: int) -> RandomForestClassifier:
    return RandomForestClassifier(**values, random_state=seed, n_jobs=settings.jobs)


def _fitted(forest: RandomForestClassifier, pairs: LabelledPairs, name: str) -> RandomForestClassifier:
    """The forest, fitted some trees at a time: it is the same as fitted at once."""
    total, done = forest.n_estimators, 0
    progress = Progress(logger, f"{name}, trees", total)
    while done < total:
        some = min(_TREES_AT_ONCE, total - done)
        forest.set_params(n_estimators=done + some, warm_start=done > 0).fit(*pairs)
        done += some
        progress.add(some)
    # several threads would add up the votes in the order in which they finish, and round them so
    forest.set_params(warm_start=False, n_jobs=1)
    return forest


def forest_logits(forest: RandomForestClassifier, values: NDArray[np.float32]) -> NDArray[np.float64]:
    """Log-odds of the forest's votes: (B, D') → (B,), finite."""
    votes = forest.predict_proba(values)[:, 1].clip(_LEAST_VOTES, 1 - _LEAST_VOTES)
    logit: NDArray[np.float64] = np.log(votes / (1 - votes))
    return logit


def explain_forest(
    forest: RandomForestClassifier, pairs: NDArray[np.float32], background: NDArray[np.float32]
) -> LatentAttributions:
    """Tree SHAP of the probability of interaction, against a background of pairs (interventional).

    `pairs` and `background` are rows of D' latents.
    """
    explainer = shap.TreeExplainer(
        forest, background, feature_perturbation="interventional", model_output="probability"
    )
    by_column = np.empty(pairs.shape)
    progress = Progress(logger, "Tree SHAP, pairs", len(pairs))
    for start in range(0, len(pairs), _EXPLAINED_AT_ONCE):
        some = slice(start, start + _EXPLAINED_AT_ONCE)
        # shap's own check of additivity allows 1 %; `additivity` checks it more strictly
        by_column[some] = explainer.shap_values(pairs[some], check_additivity=False)[..., 1]
        progress.add(len(by_column[some]))
    expected = float(explainer.expected_value[1])
    return LatentAttributions(by_column, expected, forest.predict_proba(pairs)[:, 1] - expected)


TREE_SHAP_EXACT_TO = 1e-6
"""Largest error of a pair's sum, in probability."""


def explain_by_tree_shap(context: LatentContext) -> Explanations:
    """Measure how much each latent of a pair moved the forest's probability (Tree SHAP).

    SHAP values are in units of probability. They are exact: a pair's values add up to its probability minus the mean
    over background pairs. A token's importance is the mean of its latents' absolute values.
    """
    found = explain_forest(context.forest, context.values, context.background_values)
    check = additivity(found, "Tree SHAP", exact_to=TREE_SHAP_EXACT_TO)
    return {"forest_shap": explanation_of_latents(context, found.by_column, check)}


def explain_by_gini(context: LatentContext) -> Explanations:
    """Measure how much the forest's splits by each token lower the impurity: one value a token, for all pairs alike."""
    tokens = context.protein_tokens
    table = token_table(pair_token_names(tokens), token_means(context.forest.feature_importances_, tokens))
    return {"gini": Explanation(None, table, {}, {})}
