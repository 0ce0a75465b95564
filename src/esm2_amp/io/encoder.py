"""The encoder as a catalog entry: a folder, file or hub name, whose weights a step reads when it needs them."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

import torch
from kedro.io import AbstractDataset, DatasetError
from typing_extensions import override

from esm2_amp.encoder.loading import RECORDED_FINGERPRINT, Encoder, load_encoder
from esm2_amp.encoder.tokens import VOCABULARY
from esm2_amp.encoder.weights import EsmWeights
from esm2_amp.files import replacing
from esm2_amp.io.local import LocalDataset

if TYPE_CHECKING:
    from transformers import EsmModel


class EncoderDataset(AbstractDataset[None, Callable[[], Encoder]]):
    """An ESM-2; loading gives a function that reads the weights, which runs on imported features never call.

    Parameters
    ----------
    source : str
        A folder with `config.json` and weights, a file of fair-esm, or a name on the Hugging Face hub.
    metadata : mapping, optional
        For plugins such as Kedro-Viz; the dataset doesn't use it.
    """

    def __init__(self, *, source: str, metadata: Mapping[str, Any] | None = None) -> None:
        self.metadata = metadata
        self._source = source

    @override
    def load(self) -> Callable[[], Encoder]:
        return partial(load_encoder, self._source)

    @override
    def save(self, data: None) -> None:
        raise DatasetError("An encoder is only read; `kedro run --pipeline=encoder_pretraining` trains one")

    def _describe(self) -> dict[str, Any]:
        return {"source": self._source}


class PretrainedEncoderDataset(LocalDataset["EsmModel", Callable[[], Encoder]]):
    """An encoder that this project trained, as a folder of Hugging Face.

    It holds the weights, the configuration with their fingerprint, and the vocabulary.

    Parameters
    ----------
    filepath : str
        The folder.
    stored_as : {"float16", "float32"}
        Number format of the weights, to which those that are saved are converted.
    metadata : mapping, optional
        For plugins such as Kedro-Viz; not used here.
    """

    def __init__(
        self,
        *,
        filepath: str,
        stored_as: Literal["float16", "float32"] = "float16",
        metadata: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(filepath=filepath, metadata=metadata)
        self._stored_as = stored_as

    @override
    def load(self) -> Callable[[], Encoder]:
        return partial(load_encoder, str(self._filepath))

    @override
    def save(self, data: "EsmModel") -> None:
        from transformers import EsmTokenizer  # slow to import

        stored = data.to(getattr(torch, self._stored_as))
        setattr(stored.config, RECORDED_FINGERPRINT, EsmWeights.from_model(stored).fingerprint)
        with replacing(self._filepath) as part:
            with _quiet():
                stored.save_pretrained(part)
            vocabulary = "\n".join(VOCABULARY)
            (part / "vocab.txt").write_text(vocabulary, encoding="utf-8")
            EsmTokenizer(part / "vocab.txt").save_pretrained(part)

    def _describe(self) -> dict[str, Any]:
        return {**super()._describe(), "stored_as": self._stored_as}

    def _exists(self) -> bool:
        return (self._filepath / "model.safetensors").exists()


@contextmanager
def _quiet() -> Iterator[None]:
    """Without transformers' progress bars and reports."""
    from transformers.utils import logging  # slow to import

    verbosity, bar = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if bar:
            logging.enable_progress_bar()
