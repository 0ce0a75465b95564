"""Trained models and checkpoint folders as catalog entries."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kedro.io import DatasetError
from typing_extensions import override

from esm2_amp.io.local import LocalDataset
from esm2_amp.models.storage import TrainedModel, load_model, save_model


class ModelDataset(LocalDataset[TrainedModel, TrainedModel]):
    """A model: our folder, or a published `.pth` file, which is only read.

    Parameters
    ----------
    filepath : str
        Where it lies.
    architecture : str, optional
        Name in the registry; needed for a `.pth` file, which doesn't carry it.
    metadata : mapping, optional
        For plugins such as Kedro-Viz; not used here.
    """

    def __init__(
        self, *, filepath: str, architecture: str | None = None, metadata: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(filepath=filepath, metadata=metadata)
        self._architecture = architecture

    @override
    def load(self) -> TrainedModel:
        return load_model(self._filepath, self._architecture)

    @override
    def save(self, data: TrainedModel) -> None:
        save_model(data, self._filepath)

    def _describe(self) -> dict[str, Any]:
        return {**super()._describe(), "architecture": self._architecture}


class FolderDataset(LocalDataset[None, Path]):
    """A folder that a library fills itself, such as a training's checkpoints; loading makes it and gives its path."""

    @override
    def load(self) -> Path:
        self._filepath.mkdir(parents=True, exist_ok=True)
        return self._filepath

    @override
    def save(self, data: None) -> None:
        raise DatasetError(f"{self._filepath} is filled by the step that loads it")

    def _exists(self) -> bool:
        return True
