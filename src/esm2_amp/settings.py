"""Kedro's settings of the project."""

import gc
import os
import warnings

from omegaconf.resolvers import oc

from esm2_amp.app.catalog_layers import ConfigLoader
from esm2_amp.app.given_paths import file_name
from esm2_amp.app.hooks import InputCheck, ParameterCheck, RunDiary, TrackingWhereEnabled
from esm2_amp.app.model_folders import resolve_model
from esm2_amp.app.own_place import OneRunAtATime, OwnPlace
from esm2_amp.app.session import Session
from esm2_amp.threads import wait_shortly

wait_shortly()
gc.set_threshold(50_000)  # by default half a second of every start goes into searching the imported modules for garbage

for _message in (
    ".*omegaconf.*",
    ".*--pipeline.*deprecated.*",
    ".*IterableDataset.*__len__.*",
    ".*treespec.*",
    ".*does not have many workers.*",
    ".*is_gradient_checkpointing.*",
):
    warnings.filterwarnings("ignore", message=_message)
warnings.filterwarnings("ignore", category=DeprecationWarning, module="omegaconf")
os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
os.environ.setdefault("MLFLOW_LOGGING_LEVEL", "WARNING")
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")

SESSION_CLASS = Session
HOOKS = (ParameterCheck(), OwnPlace(), OneRunAtATime(), InputCheck(), RunDiary(), TrackingWhereEnabled())
DISABLE_HOOKS_FOR_PLUGINS = ("kedro_mlflow",)  # TrackingWhereEnabled has its own
CONFIG_LOADER_CLASS = ConfigLoader
CONFIG_LOADER_ARGS = {
    "base_env": "base",
    "default_run_env": "local",
    "merge_strategy": {"parameters": "soft", "globals": "soft"},
    # Kedro leaves oc.env to credentials unless it is named here
    "custom_resolvers": {"oc.env": oc.env, "model": resolve_model, "file_name": file_name},
}
