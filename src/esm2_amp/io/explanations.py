"""Explanations of pairs as catalog entries: each method's tables in files of their own."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Literal

import pandas as pd
from typing_extensions import override

from esm2_amp.explanation.methods import METHODS
from esm2_amp.explanation.results import Explanation, Explanations, LabelledArray
from esm2_amp.io.arrays import LabelledArrayDataset
from esm2_amp.io.local import LocalDataset
from esm2_amp.io.whole_files import CSVDataset, JSONDataset, ParquetDataset

_TOKENS: Final = {"index": False, "float_format": "%.6g"}


class ExplanationsDataset(LocalDataset[Explanations, Explanations]):
    """Explanations by method.

    Values of single pairs are written to `<method>_importance.parquet`, details to `<method>_<detail>.parquet` or
    `.npz`; `<method>_tokens.csv` and `<method>_check.json` go to the folder of reports. Loads without details those
    methods that are there; none where nothing was explained.

    Parameters
    ----------
    filepath : str
        Folder of the values of single pairs.
    reports : str
        Folder of the tables to read.
    needs : {"model", "latents"}
        Which methods the entry holds: two entries share the folders.
    metadata : mapping, optional
        For plugins such as Kedro-Viz; not used here.
    """

    def __init__(
        self,
        *,
        filepath: str,
        reports: str,
        needs: Literal["model", "latents"],
        metadata: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(filepath=filepath, metadata=metadata)
        self._reports = Path(reports)
        self._methods = [name for name, method in METHODS.items() if method.needs == needs]
        self._needs = needs

    @override
    def load(self) -> Explanations:
        found: Explanations = {}
        for method in self._methods:
            if not (tokens := self._reports / f"{method}_tokens.csv").exists():
                continue
            importance, check = self._filepath / f"{method}_importance.parquet", self._reports / f"{method}_check.json"
            found[method] = Explanation(
                ParquetDataset(filepath=importance).load() if importance.exists() else None,
                CSVDataset(filepath=tokens).load(),
                {},
                JSONDataset(filepath=check).load() if check.exists() else {},
            )
        return found

    @override
    def save(self, data: Explanations) -> None:
        for folder in (self._filepath, self._reports):
            folder.mkdir(parents=True, exist_ok=True)
        for method in set(self._methods).difference(data):
            (self._reports / f"{method}_tokens.csv").unlink(missing_ok=True)  # of an earlier run
        for method, found in data.items():
            tokens = self._reports / f"{method}_tokens.csv"
            tokens.unlink(missing_ok=True)  # written last: without it the method isn't there
            if found.importance is not None:
                ParquetDataset(filepath=self._filepath / f"{method}_importance.parquet").save(found.importance)
            for name, detail in found.details.items():
                self._save_detail(f"{method}_{name}", detail)
            if found.check:
                JSONDataset(filepath=self._reports / f"{method}_check.json", save_args={"indent": 2}).save(found.check)
            CSVDataset(filepath=tokens, save_args=_TOKENS).save(found.tokens)

    def _save_detail(self, name: str, detail: pd.DataFrame | LabelledArray) -> None:
        if isinstance(detail, LabelledArray):
            LabelledArrayDataset(filepath=str(self._filepath / f"{name}.npz")).save(detail)
        else:
            ParquetDataset(filepath=self._filepath / f"{name}.parquet").save(detail)

    @override
    def _exists(self) -> bool:
        return any((self._reports / f"{method}_tokens.csv").exists() for method in self._methods)

    def _describe(self) -> dict[str, Any]:
        return {**super()._describe(), "reports": str(self._reports), "needs": self._needs}
