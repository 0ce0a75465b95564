"""Explanations of pairs as catalog entries: each method's tables in files of their own."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import pandas as pd
from typing_extensions import override

from esm2_amp.explanation.methods import METHODS
from esm2_amp.explanation.results import Explanation, Explanations, LabelledArray
from esm2_amp.files import write_atomically
from esm2_amp.io.arrays import LabelledArrayDataset
from esm2_amp.io.local import LocalDataset


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
                pd.read_parquet(importance) if importance.exists() else None,
                pd.read_csv(tokens),
                {},
                json.loads(check.read_text(encoding="utf-8")) if check.exists() else {},
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
                found.importance.to_parquet(self._filepath / f"{method}_importance.parquet")
            for name, detail in found.details.items():
                self._save_detail(f"{method}_{name}", detail)
            if found.check:
                write_atomically(self._reports / f"{method}_check.json", json.dumps(found.check, indent=2).encode())
            write_atomically(tokens, found.tokens.to_csv(index=False).encode())

    def _save_detail(self, name: str, detail: pd.DataFrame | LabelledArray) -> None:
        if isinstance(detail, LabelledArray):
            LabelledArrayDataset(filepath=str(self._filepath / f"{name}.npz")).save(detail)
        else:
            detail.to_parquet(self._filepath / f"{name}.parquet")

    @override
    def _exists(self) -> bool:
        return any((self._reports / f"{method}_tokens.csv").exists() for method in self._methods)

    def _describe(self) -> dict[str, Any]:
        return {**super()._describe(), "reports": str(self._reports), "needs": self._needs}
