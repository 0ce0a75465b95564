"""Arrays whose axes have names and labels, as catalog entries."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from kedro.io import AbstractDataset
from numpy.typing import NDArray
from typing_extensions import override


class LabelledArray(NamedTuple):
    """An array and what its axes mean.

    Attributes
    ----------
    array : ndarray
    axes : dict of str to ndarray
        Of each axis in order its name, and the labels along it.
    """

    array: NDArray[Any]
    axes: dict[str, NDArray[Any]]


class LabelledArrayDataset(AbstractDataset[LabelledArray, LabelledArray]):
    """An array in an NPZ file: `values`, `axes` (names in order), and under the name of each axis its labels.

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
    def load(self) -> LabelledArray:
        with np.load(self._filepath) as stored:
            return LabelledArray(stored["values"], {name: stored[name] for name in stored["axes"].tolist()})

    @override
    def save(self, data: LabelledArray) -> None:
        assert data.array.shape == tuple(len(labels) for labels in data.axes.values())
        self._filepath.parent.mkdir(parents=True, exist_ok=True)
        content: dict[str, Any] = {"values": data.array, "axes": np.array(list(data.axes)), **data.axes}
        np.savez(self._filepath, **content)

    def _exists(self) -> bool:
        return self._filepath.is_file()

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self._filepath)}
