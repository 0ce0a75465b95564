"""Nodes of `prediction`: scores for new pairs by a trained or published model."""

import logging
from typing import Any

import pandas as pd

from esm2_amp.files import SourceTable
from esm2_amp.parameters.evaluation import EvaluationParameters
from esm2_amp.parameters.run import RunParameters
from esm2_amp.pipelines.types import ProteinFeatures, TrainedModel

logger = logging.getLogger(__name__)


def clean_new_pairs(pairs_raw: SourceTable) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Check a pair file for prediction: every row stays, labels are optional, unknown proteins are no error."""
    from esm2_amp.validation import clean_pairs

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
    from esm2_amp.devices import resolve_device
    from esm2_amp.models.scoring import SCORED, score_pairs
    from esm2_amp.statistics.metrics import sigmoid
    from esm2_amp.validation import missing_proteins

    threshold = parameters.fixed_threshold
    missing = missing_proteins(pairs, features.entries)
    known = missing == ""
    logit = score_pairs(
        model.network,
        model.pairs(features, pairs[known]),
        batch_size=run.scoring_batch_size,
        device=resolve_device(run.device),
    )
    predicted = pairs.drop(columns="row", errors="ignore").reset_index(drop=True)
    predicted["Probability"] = pd.Series(sigmoid(logit), index=predicted.index[known.to_numpy()])
    if (temperature := model.card.get("temperature")) is not None:
        predicted["CalibratedProbability"] = pd.Series(
            sigmoid(logit / temperature), index=predicted.index[known.to_numpy()]
        )
    decided = predicted["Probability"] >= threshold
    predicted["Prediction"] = decided.astype("Int8").where(known.to_numpy())
    not_scored = "not scored: no sequence or features for " + missing
    predicted["Status"] = not_scored.where(~known, SCORED).to_numpy()
    logger.info(
        "%s of %s pairs scored by %s, trained on %s", f"{known.sum():,}", f"{len(pairs):,}",
        model.card.get("name", model.architecture), model.card.get("data", "data it doesn't name"),
    )  # fmt: skip
    return predicted
