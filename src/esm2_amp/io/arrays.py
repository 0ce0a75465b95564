"""Arrays whose axes have names and labels, as catalog entries."""

from typing import Any

import numpy as np
from typing_extensions import override

from esm2_amp.explanation.results import LabelledArray
from esm2_amp.files import reading, replacing_file
from esm2_amp.io.local import LocalDataset


class LabelledArrayDataset(LocalDataset[LabelledArray, LabelledArray]):
    """An array in an NPZ file: `values`, `axes` (names in order), and under the name of each axis its labels."""

    @override
    def load(self) -> LabelledArray:
        with reading(self._filepath), np.load(self._filepath) as stored:
            return LabelledArray(stored["values"], {name: stored[name] for name in stored["axes"].tolist()})

    @override
    def save(self, data: LabelledArray) -> None:
        assert data.array.shape == tuple(len(labels) for labels in data.axes.values())
        content: dict[str, Any] = {"values": data.array, "axes": np.array(list(data.axes)), **data.axes}
        with replacing_file(self._filepath) as part, part.open("wb") as file:
            np.savez(file, **content)
