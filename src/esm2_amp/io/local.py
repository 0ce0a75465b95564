"""What the project's own catalog entries on a local disk share."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from kedro.io import AbstractDataset
from typing_extensions import override

Saved = TypeVar("Saved")
Loaded = TypeVar("Loaded")


class LocalDataset(AbstractDataset[Saved, Loaded]):
    """A file or folder that the project writes itself; subclasses load and save it.

    Parameters
    ----------
    filepath : str
    metadata : mapping, optional
        For plugins such as Kedro-Viz; not used here.
    """

    def __init__(self, *, filepath: str, metadata: Mapping[str, Any] | None = None) -> None:
        self.metadata = metadata
        self._filepath = Path(filepath)

    @override
    def _exists(self) -> bool:
        return self._filepath.exists()

    @override
    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self._filepath)}
