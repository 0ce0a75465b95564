"""Autoencoders as catalog entries."""

from typing_extensions import override

from esm2_amp.checked_tensors import add_checksum
from esm2_amp.explanation.autoencoder import Autoencoder, load_autoencoder
from esm2_amp.files import replacing
from esm2_amp.io.local import LocalDataset
from esm2_amp.models.storage import WEIGHTS


class AutoencoderDataset(LocalDataset[Autoencoder, Autoencoder]):
    """An autoencoder: a folder with `config.json` and `model.safetensors`."""

    @override
    def load(self) -> Autoencoder:
        return load_autoencoder(self._filepath)

    @override
    def save(self, data: Autoencoder) -> None:
        with replacing(self._filepath) as folder:
            data.save_pretrained(folder)
            add_checksum(folder / WEIGHTS)
            (folder / "README.md").unlink(missing_ok=True)
