"""Reports of a study: tables of its trials and epochs, and Optuna's figures."""

from typing import Any

import optuna
import pandas as pd
import plotly.graph_objects as go
from optuna.trial import FrozenTrial, TrialState

from esm2_amp.columns import with_column_names
from esm2_amp.search.study import counted_trials

_FOLD = "fold"


def keep_fold(trial: optuna.Trial, fold: int, record: pd.DataFrame) -> None:
    """Keep a finished fold's record of epochs with its trial.

    Parameters
    ----------
    trial : optuna.Trial
        The running trial.
    fold : int
        Number of the fold, counted from 0.
    record : DataFrame
        A row per epoch, of values that JSON can hold.
    """
    trial.set_user_attr(f"{_FOLD}_{fold}", record.to_dict("list"))


def kept_folds(trial: optuna.Trial | FrozenTrial) -> list[pd.DataFrame]:
    """The records of a trial's finished folds, in their order."""
    numbered = {
        int(key.removeprefix(f"{_FOLD}_")): value for key, value in trial.user_attrs.items() if key.startswith(_FOLD)
    }
    return [pd.DataFrame(numbered[fold]) for fold in sorted(numbered)]


def best_parameters(study: optuna.Study) -> dict[str, Any]:
    """The name of the `study`, and of its best trial the number (`trial`), `value` (mean MCC) and `parameters`."""
    best = study.best_trial
    return {"study": study.study_name, "trial": best.number, "value": best.value, "parameters": best.params}


def trials_table(study: optuna.Study) -> pd.DataFrame:
    """Every trial that counts: `Trial`, `State`, `Value`, its parameters, `Seconds`, and `Reason` where it failed."""
    rows = [
        {
            "Trial": trial.number,
            "State": trial.state.name.lower(),
            "Value": trial.value,
            **trial.params,
            "Seconds": trial.duration.total_seconds() if trial.duration else None,
            "Reason": trial.user_attrs.get("reason", ""),
        }
        for trial in counted_trials(study)
    ]
    return pd.DataFrame(rows)


def epochs_table(study: optuna.Study) -> pd.DataFrame:
    """Every finished fold's epochs: `Trial`, `Fold`, then what a fit records."""
    records = []
    for trial in counted_trials(study):
        for fold, record in enumerate(kept_folds(trial)):
            record.insert(0, "fold", fold)
            record.insert(0, "trial", trial.number)
            records.append(with_column_names(record))
    return pd.concat(records, ignore_index=True)


def study_figures(study: optuna.Study) -> dict[str, go.Figure]:
    """Optuna's optimisation `history`, parameter `importance` (fANOVA) and `slices`."""
    values = {trial.value for trial in counted_trials(study) if trial.state == TrialState.COMPLETE}
    if len(values) > 1:
        importance = optuna.visualization.plot_param_importances(study)
    else:
        text = "Importances need two complete trials of different value"
        importance = go.Figure().add_annotation(text=text, showarrow=False)
    figures = {
        "history": optuna.visualization.plot_optimization_history(study),
        "importance": importance,
        "slices": optuna.visualization.plot_slice(study),
    }
    for figure in figures.values():
        figure.update_layout(title=f"{figure.layout.title.text or 'Hyperparameter Importances'}: {study.study_name}")
    return figures
