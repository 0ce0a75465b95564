"""Nodes of `prediction`: scores for new pairs by a trained or published model."""

import logging
from typing import Any

import numpy as np
import pandas as pd
import torch

from esm2_amp.devices import resolve_device
from esm2_amp.errors import InputError
from esm2_amp.features import ProteinFeatures
from esm2_amp.files import SourceTable
from esm2_amp.models.scoring import score_pairs
from esm2_amp.models.storage import TrainedModel
from esm2_amp.parameters.evaluation import EvaluationParameters
from esm2_amp.parameters.run import RunParameters
from esm2_amp.statistics.metrics import sigmoid
from esm2_amp.validation import clean_pairs, missing_proteins

logger = logging.getLogger(__name__)

SCORED = "scored"


def clean_new_pairs(pairs_raw: SourceTable) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Check a pair file for prediction: every row stays, labels are optional, unknown proteins are no error."""
    return clean_pairs(
        pairs_raw, None, self_pairs="keep", duplicate_pairs="keep", labels="optional", protein_source="the protein file"
    )


def score_new_pairs(
    pairs: pd.DataFrame,
    features: ProteinFeatures,
    model: TrainedModel,
    parameters: EvaluationParameters,
    run: RunParameters,
) -> pd.DataFrame:
    """Score new pairs: the probability that they interact, and the decision.

    Each input pair has its row, in input order.

    Parameters
    ----------
    pairs : DataFrame
        Columns `Protein1`, `Protein2` and perhaps `Label`.
    features : ProteinFeatures
    model : TrainedModel
    parameters : EvaluationParameters
    run : RunParameters

    Returns
    -------
    predicted : DataFrame
        `Protein1`, `Protein2`, `Label` if given, `Probability`, `CalibratedProbability` (by the temperature that the
        model's training fitted on its validation pairs; a published checkpoint has none), `Prediction`, all empty when
        the pair could not be scored, and `Status`: `scored`, or the proteins without features.
    """
    check_features_match(features, model)
    threshold = parameters.fixed_threshold
    rows = pd.Series(np.arange(len(features.index)), index=features.entries)
    a, b = (pairs[name].map(rows) for name in ("Protein1", "Protein2"))
    known = a.notna() & b.notna()
    rows_a, rows_b = (found[known].to_numpy("int64") for found in (a, b))
    used = np.union1d(rows_a, rows_b)
    logit = score_pairs(
        model.network,
        features.select(model.network.protein_tokens, used.tolist()),
        torch.from_numpy(np.searchsorted(used, rows_a)),
        torch.from_numpy(np.searchsorted(used, rows_b)),
        batch_size=parameters.batch_size,
        device=resolve_device(run.device),
    )
    predicted = pairs.drop(columns="row", errors="ignore").reset_index(drop=True)
    predicted["Probability"] = pd.Series(sigmoid(logit), index=predicted.index[known])
    if (temperature := model.card.get("temperature")) is not None:
        predicted["CalibratedProbability"] = pd.Series(sigmoid(logit / temperature), index=predicted.index[known])
    decided = predicted["Probability"] >= threshold
    predicted["Prediction"] = decided.astype("Int8").where(known.to_numpy())
    missing = missing_proteins(pairs, features.entries)
    predicted["Status"] = ("not scored: no sequence or features for " + missing).where(missing != "", SCORED)
    logger.info(
        "%s of %s pairs scored by %s, trained on %s", f"{known.sum():,}", f"{len(pairs):,}",
        model.card.get("name", model.architecture), model.card.get("data", "data it doesn't name"),
    )  # fmt: skip
    return predicted


def check_features_match(features: ProteinFeatures, model: TrainedModel) -> None:
    """Raise InputError when a model can't read the features, or was trained on another encoder's."""
    width = model.network.sizes["width"]
    if features.width != width:
        raise InputError(
            f"The model {model.architecture} reads vectors of width {width}, but the features have width "
            f"{features.width} (encoder {features.provenance['encoder']}); give the encoder the model was trained "
            "with (--params=encoder=...), or another model or checkpoint"
        )
    trained_on = model.card.get("features", {})
    imported = "imported" in (trained_on.get("encoder"), features.provenance["encoder"])
    if trained_on and not imported and trained_on["fingerprint"] != features.provenance["fingerprint"]:
        raise InputError(
            f"The model {model.architecture} was trained on features of the encoder {trained_on['encoder']}, but "
            f"these come from other weights ({features.provenance['encoder']}); "
            f"give --params=encoder={trained_on['encoder']}"
        )
