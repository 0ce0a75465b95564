"""Base classes of the project's own datasets: files that it writes, and files that users bring."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Generic, NoReturn, TypeVar

from kedro.io import AbstractDataset, DatasetError
from typing_extensions import override

Saved = TypeVar("Saved")
Loaded = TypeVar("Loaded")


class LocalDataset(AbstractDataset[Saved, Loaded]):
    """A file or folder that the project writes itself; subclasses load and save it.

    They save through `esm2_amp.files.replacing_file` or `replacing`, so that a later run never loads half a file.

    Parameters
    ----------
    filepath : str
        The file or folder.
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
    """A file that a user brings, or leaves out: without a `filepath` it loads as None.

    Subclasses read it. They may save it too, where another pipeline of the project can make the file.

    Parameters
    ----------
    filepath : str, optional
        The file.
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
        """Read a file, which need not exist; `load` calls this."""
        raise NotImplementedError

    def load(self) -> Loaded | None:
        """Read the file, or return None where there is none by choice."""
        if self._filepath is None or (self._optional and not self._filepath.is_file()):
            return None
        return self._read(self._filepath)

    def save(self, data: NoReturn) -> None:
        """Raise DatasetError: the file is the user's."""
        raise DatasetError(f"{type(self).__name__} is read only")

    def _exists(self) -> bool:
        return self._filepath is None or self._optional or self._filepath.is_file()

    def _describe(self) -> dict[str, Any]:
        return {"filepath": None if self._filepath is None else str(self._filepath)}
