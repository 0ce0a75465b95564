"""What the project's own catalog entries on a local disk share."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Generic, NoReturn, TypeVar

from kedro.io import AbstractDataset, DatasetError
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


class InputFileDataset(AbstractDataset[NoReturn, Loaded | None], Generic[Loaded]):
    """A file that a user brings, or leaves out: without a `filepath` it loads as None. Subclasses may allow saving.

    Parameters
    ----------
    filepath : str, optional
    optional : bool
        Whether the file may be missing, too: then it loads as None.
    metadata : mapping, optional
        For plugins such as Kedro-Viz; not used here.
    """

    def __init__(
        self, filepath: str | None = None, *, optional: bool = False, metadata: Mapping[str, Any] | None = None
    ) -> None:
        self._filepath = None if filepath is None else Path(filepath)
        self._optional = optional
        self.metadata = metadata

    def _read(self, path: Path) -> Loaded:
        raise NotImplementedError

    def load(self) -> Loaded | None:
        """What the file holds, or None where there is no file by choice."""
        if self._filepath is None or (self._optional and not self._filepath.is_file()):
            return None
        return self._read(self._filepath)

    def save(self, data: NoReturn) -> None:
        """Refuse."""
        raise DatasetError(f"{type(self).__name__} is read only")

    def _exists(self) -> bool:
        return self._filepath is None or self._optional or self._filepath.is_file()

    def _describe(self) -> dict[str, Any]:
        return {"filepath": None if self._filepath is None else str(self._filepath)}
