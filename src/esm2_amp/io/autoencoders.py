"""Autoencoders as catalog entries."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kedro.io import AbstractDataset
from typing_extensions import override

from esm2_amp.explanation.autoencoder import Autoencoder, load_autoencoder


class AutoencoderDataset(AbstractDataset[Autoencoder, Autoencoder]):
    """An autoencoder: a folder with `config.json` and `model.safetensors`.

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
    def load(self) -> Autoencoder:
        return load_autoencoder(self._filepath)

    @override
    def save(self, data: Autoencoder) -> None:
        part = self._filepath.with_name(f".{self._filepath.name}.part")
        shutil.rmtree(part, ignore_errors=True)
        data.save_pretrained(part)
        (part / "README.md").unlink(missing_ok=True)
        shutil.rmtree(self._filepath, ignore_errors=True)
        part.rename(self._filepath)

    def _exists(self) -> bool:
        return self._filepath.exists()

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self._filepath)}
