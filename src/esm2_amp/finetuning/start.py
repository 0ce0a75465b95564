"""What a fine-tuning starts from, checked before any work."""

from typing import Any, NamedTuple

import pandas as pd

from esm2_amp.encoder.loading import Encoder
from esm2_amp.errors import InputError
from esm2_amp.models.base import PairNetwork
from esm2_amp.models.storage import TrainedModel
from esm2_amp.pairs import hash_pair_table
from esm2_amp.parameters.feature_extraction import EmbeddingParameters
from esm2_amp.parameters.model_training import ModelParameters, TrainingParameters

_AGAIN = "train it with `kedro run --pipeline=training` first"


class Start(NamedTuple):
    """What a fine-tuning starts from.

    Attributes
    ----------
    encoder : Encoder
        The encoder as it is.
    network : PairNetwork
        Trained on its vectors.
    training : TrainingParameters
        How it was trained.
    """

    encoder: Encoder
    network: PairNetwork
    training: TrainingParameters

    @classmethod
    def of(cls, model: TrainedModel, encoder: Encoder) -> "Start":
        """A model and its encoder.

        Raises
        ------
        InputError
            The model reads another encoder's vectors.
        """
        features = model.card["features"]
        if features["fingerprint"] != encoder.fingerprint:
            raise InputError(
                f"finetuning needs the encoder that the model was trained with, {features['encoder']} (fingerprint "
                f"{features['fingerprint'][:12]}), got {encoder.source} ({encoder.fingerprint[:12]}); give it by "
                "--params=encoder=..."
            )
        return cls(encoder, model.network, ModelParameters.model_validate(model.card["settings"]).training)


def check_model(model: TrainedModel, pairs: pd.DataFrame, proteins: pd.DataFrame, windows: EmbeddingParameters) -> None:
    """Raise InputError where a model can't be fine-tuned on pairs.

    Parameters
    ----------
    model : TrainedModel
        It must have been trained on the same pairs: pairs of its training among the validation pairs would make every
        epoch look good.
    pairs : DataFrame
        Training and validation pairs, `Protein1`, `Protein2`, `label`, `split`.
    proteins : DataFrame
        `Entry`, `Sequence`; empty where features were imported in their place.
    windows : EmbeddingParameters
        Which proteins are read in windows.
    """
    features: dict[str, Any] = model.card.get("features", {})
    if proteins.empty or features.get("encoder") == "imported":
        raise InputError(
            "finetuning reads sequences, but features were imported in their place (--params=features=FILE); run "
            "`kedro run --pipeline=training` with --params=proteins=FILE and encoder=, then finetuning"
        )
    if "settings" not in model.card:
        raise InputError(f"finetuning needs a model that this project trained, got weights without its card; {_AGAIN}")
    if model.card["pairs_sha256"] != hash_pair_table(pairs):
        raise InputError(
            f"finetuning needs a model trained on the stored training and validation pairs, but {model.architecture} "
            f"was trained on others ({model.card['data']}); {_AGAIN}"
        )
    for name in ("whole_up_to", "window", "overlap"):
        now, then = getattr(windows, name), features["options"][name]
        if now != then:
            raise InputError(
                f"feature_extraction.embedding.{name} must be that of the model's features, {then}, got {now}; give "
                f"--params=feature_extraction.embedding.{name}={then}"
            )
