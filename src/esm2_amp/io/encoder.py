"""The encoder as a catalog entry: a local folder or a hub name, read when a step asks for it."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from kedro.io import AbstractDataset, DatasetError
from transformers import EsmModel, EsmTokenizer
from typing_extensions import override

from esm2_amp.encoder.loading import RECORDED_FINGERPRINT, Encoder, fingerprint, load_encoder, quiet
from esm2_amp.encoder.tokens import VOCABULARY
from esm2_amp.io.local import LocalDataset


class EncoderDataset(AbstractDataset[None, Callable[[], Encoder]]):
    """An ESM-2; loading gives a function that reads the weights, since imported features need none.

    Parameters
    ----------
    source : str
        A folder with `config.json`, `model.safetensors` and the tokenizer, or a name on the Hugging Face hub.
    metadata : mapping, optional
        For plugins such as Kedro-Viz; not used here.
    """

    def __init__(self, *, source: str, metadata: Mapping[str, Any] | None = None) -> None:
        self.metadata = metadata
        self._source = source

    @override
    def load(self) -> Callable[[], Encoder]:
        return partial(load_encoder, self._source)

    @override
    def save(self, data: None) -> None:
        raise DatasetError("An encoder is read-only here; `kedro run --pipeline=encoder_pretraining` trains one")

    def _describe(self) -> dict[str, Any]:
        return {"source": self._source}


class PretrainedEncoderDataset(LocalDataset[EsmModel, Callable[[], Encoder]]):
    """An encoder trained here: weights as float16, configuration with their fingerprint, vocabulary, in one folder."""

    @override
    def load(self) -> Callable[[], Encoder]:
        return partial(load_encoder, str(self._filepath))

    @override
    def save(self, data: EsmModel) -> None:
        stored = data.half()
        setattr(stored.config, RECORDED_FINGERPRINT, fingerprint(stored))
        with quiet():
            stored.save_pretrained(self._filepath)
        vocabulary = "\n".join(VOCABULARY)
        (self._filepath / "vocab.txt").write_text(vocabulary, encoding="utf-8")
        EsmTokenizer(self._filepath / "vocab.txt").save_pretrained(self._filepath)

    def _exists(self) -> bool:
        return (self._filepath / "model.safetensors").exists()
