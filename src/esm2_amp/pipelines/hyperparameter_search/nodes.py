"""Nodes of `hyperparameter_search`: the study of one network."""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from esm2_amp.errors import InputError
from esm2_amp.parameters.hyperparameter_search import SearchParameters, SearchSpace
from esm2_amp.parameters.model_training import ModelParameters, with_values
from esm2_amp.parameters.run import RunParameters
from esm2_amp.pipelines.types import Pairs, PlotlyFigure, ProteinFeatures, Trial

FoldRows = tuple[NDArray[np.int64], NDArray[np.int64]]

LAST_EPOCH = -1
"""The objective is the last epoch's MCC, not the best one's, which would favour noise."""


class Fold(NamedTuple):
    """Pairs to fit on, and pairs to measure on."""

    training: Pairs
    validation: Pairs


class SearchReport(NamedTuple):
    """The outputs of a search: the best parameters for training, tables and figures for the report."""

    best: dict[str, Any]
    trials: pd.DataFrame
    trials_excel: pd.DataFrame
    epochs: pd.DataFrame
    plots: dict[str, PlotlyFigure]


def search_hyperparameters(
    pairs: pd.DataFrame,
    features: ProteinFeatures,
    folder: Path,
    settings: ModelParameters,
    space: SearchSpace,
    parameters: SearchParameters,
    run: RunParameters,
) -> SearchReport:
    """Search one network's hyperparameters: the mean over folds of the last epoch's MCC is maximised.

    Trials fit single networks, however many members the model has.

    Parameters
    ----------
    pairs : DataFrame
        `model_pairs` of `pair_building`; the test split takes no part.
    features : ProteinFeatures
        Vectors of the pairs' proteins.
    folder : Path
        Where the journal lies that a killed search is resumed from.
    settings : ModelParameters
        The model's settings; a trial changes those in the space.
    space : SearchSpace
        The values that trials may have.
    parameters : SearchParameters
        Number of trials, folds and epochs, and where the study is stored.
    run : RunParameters
        Seed and device.

    Returns
    -------
    report : SearchReport
        Of all trials of the study, earlier runs' among them.

    Raises
    ------
    InputError
        A class has fewer training pairs than there are folds, the study can't be gone on with, or no trial ended with
        a value.
    """
    from esm2_amp.models.registry import MODELS
    from esm2_amp.pairs import Pairs, hash_pairs
    from esm2_amp.precision import with_training_precision
    from esm2_amp.search.report import best_parameters, epochs_table, study_figures, trials_table
    from esm2_amp.search.study import open_study, quiet_optuna, run_search

    settings = with_training_precision(settings, run.device)
    settings = with_values(settings, {"epochs": parameters.epochs or settings.training.epochs})
    check_space(space, settings)
    architecture = settings.network.architecture
    pairs = pairs[pairs["split"] != "test"].reset_index(drop=True)
    of_network = Pairs.of(features, pairs, MODELS[architecture].network.protein_tokens)
    folds = [Fold(*map(of_network.take, rows)) for rows in fold_rows(pairs, parameters, run.seed)]
    conditions = {
        "mode": parameters.mode,
        "settings": with_values(settings, space.lowest).model_dump(exclude={"training": {"members"}}),
        "seed": run.seed,
        "hash of features and folds": hash_pairs(*(part for fold in folds for part in fold)),
    }

    def objective(trial: Trial, values: dict[str, Any]) -> float:
        return _mean_mcc(trial, with_values(settings, values), folds, run)

    with quiet_optuna():
        study = open_study(architecture, space, conditions, folder, parameters)
        run_search(study, space, objective, folder, parameters, seed=run.seed)
        trials = trials_table(study)
        return SearchReport(best_parameters(study), trials, trials, epochs_table(study), study_figures(study))


def check_space(space: SearchSpace, settings: ModelParameters) -> None:
    """Raise pydantic's ValidationError when the network or its training can't have a value of the space.

    Raises
    ------
    InputError
        The number of members of an ensemble is searched, which trials, fits of single networks, can't tell.
    """
    if "members" in space.root:
        raise InputError(
            "A search space must name sizes of the network or settings of one fit, got members, of which a trial has "
            "one; set training.members, which applies to the fit with the best parameters"
        )
    for values in (space.lowest, space.highest):
        with_values(settings, values)


def fold_rows(pairs: pd.DataFrame, parameters: SearchParameters, seed: int) -> list[FoldRows]:
    """Numbers of the pairs that each fold fits on and is measured on.

    Parameters
    ----------
    pairs : DataFrame
        Columns `a`, `b`, `label`, `split`.
    parameters : SearchParameters
        Whether pairs are held out by folds or by the split, and the number of folds.
    seed : int
        Seed of the folds.

    Returns
    -------
    folds : list of (training, validation)
        Each an ndarray of int64, positions in `pairs`.

    Raises
    ------
    InputError
        A class has fewer training pairs than there are folds.
    """
    from sklearn.model_selection import StratifiedKFold

    rows, validation = (np.flatnonzero(pairs["split"] == split) for split in ("train", "validation"))
    if parameters.mode == "holdout":
        return [(rows, validation)]
    training = pairs.iloc[rows]
    fewest = int(training["label"].value_counts().reindex([0.0, 1.0], fill_value=0).min())
    if fewest < parameters.folds:
        raise InputError(
            f"search.folds = {parameters.folds} needs at least as many training pairs of each class, got {fewest} of "
            "one; lower search.folds, add pairs, or choose search.mode holdout"
        )
    splitter = StratifiedKFold(parameters.folds, shuffle=True, random_state=seed)
    folds = list(splitter.split(training, training["label"]))
    _warn_of_known_proteins(training, folds)
    return [(rows[fitted], rows[held]) for fitted, held in folds]


def _warn_of_known_proteins(training: pd.DataFrame, folds: list[FoldRows]) -> None:
    from esm2_amp.splits.audit import warn_unless_new_proteins
    from esm2_amp.splits.splitting import seen_class

    seen = []
    for _, held in folds:
        split = np.full(len(training), "train", dtype=object)
        split[held] = "validation"
        seen.append(seen_class(training.assign(split=split)).iloc[held])
    warn_unless_new_proteins(pd.concat(seen), "cross-validation")


def _mean_mcc(trial: Trial, settings: ModelParameters, folds: list[Fold], run: RunParameters) -> float:
    """Fit every fold that a trial of the same values hasn't finished already."""
    import optuna

    from esm2_amp.search.report import keep_fold, kept_folds
    from esm2_amp.training.fit import fit_trial

    records = kept_folds(trial)

    def report_epoch(epoch: int, mcc: float) -> None:
        """Report the mean over the folds so far to Optuna, which may prune the trial."""
        finished = [record["validation_mcc"].iloc[LAST_EPOCH] for record in records]
        trial.report(float(np.mean([*finished, mcc])), len(records) * settings.training.epochs + epoch)
        if trial.should_prune():
            raise optuna.TrialPruned

    for number in range(len(records), len(folds)):
        name = f"{settings.network.architecture} trial {trial.number}, fold {number + 1} of {len(folds)}"
        record = fit_trial(*folds[number], settings, name=name, device=run.device, seed=run.seed, on_epoch=report_epoch)
        keep_fold(trial, number, record)
        records.append(record)
    return float(np.mean([record["validation_mcc"].iloc[LAST_EPOCH] for record in records]))
