"""The node that scores the baselines: once, for all models to stand beside."""

import logging
import time
from typing import Any

import pandas as pd

from esm2_amp.errors import InputError
from esm2_amp.evaluation.assessment import assess
from esm2_amp.evaluation.baselines import BASELINES, ProteinViews, baseline_logits
from esm2_amp.features import ProteinFeatures
from esm2_amp.pairs import protein_rows
from esm2_amp.parameters.evaluation import EvaluationParameters
from esm2_amp.parameters.run import RunParameters
from esm2_amp.pipelines.evaluation.nodes import identify
from esm2_amp.progress import in_words
from esm2_amp.protein import TOKENS

logger = logging.getLogger(__name__)

_MEAN = TOKENS.index("mean")


def score_baselines(
    pairs: pd.DataFrame,
    features: ProteinFeatures,
    proteins: pd.DataFrame,
    parameters: EvaluationParameters,
    run: RunParameters,
) -> tuple[pd.DataFrame, dict[str, dict[str, Any]]]:
    """Fit simple predictors on the same training pairs, and measure them on the same validation and test pairs.

    A model is worth its complexity only where it beats them: they know no more than amino-acid composition, mean
    vectors, similarity to training pairs, or the number of a protein's partners.

    Parameters
    ----------
    pairs : DataFrame
        `model_pairs` of `pair_building`.
    features : ProteinFeatures
        Imported ones may lack the mean vectors.
    proteins : DataFrame
        `Entry`, `Sequence`; empty beside imported features. A baseline that reads what isn't there is left out.
    parameters : EvaluationParameters
    run : RunParameters

    Returns
    -------
    scores : DataFrame
        Columns of `identify`, then the logits of each baseline under its name.
    metrics : dict
        Baseline → its metrics, as those of a model.

    Raises
    ------
    InputError
        No baseline is left.
    """
    a, b = protein_rows(features.entries, pairs)
    pairs = pairs.assign(a=a, b=b)
    views = _protein_views(features, proteins)
    train, held_out = pairs[pairs["split"] == "train"], pairs[pairs["split"] != "train"]
    scores = identify(held_out)
    metrics: dict[str, dict[str, Any]] = {}
    for name in parameters.baselines.use:
        reads = BASELINES[name].reads
        if reads is not None and getattr(views, reads) is None:
            logger.info("baseline %s: left out, the imported features come without %s", name, reads.replace("_", " "))
            continue
        started = time.monotonic()
        logit = baseline_logits(name, train, held_out, views, parameters.baselines, seed=run.seed)
        metrics[name] = assess(name, scores, logit, parameters.threshold).metrics
        scores[name] = logit
        logger.info("baseline %s: fitted and scored in %s", name, in_words(time.monotonic() - started))
    if not metrics:
        raise InputError(
            "evaluation.baselines.use must name a baseline that the imported features allow, "
            f"got {', '.join(parameters.baselines.use)}; add node_degree, which needs only the pairs"
        )
    return scores, metrics


def _protein_views(features: ProteinFeatures, proteins: pd.DataFrame) -> ProteinViews:
    """Sequences and mean vectors in the order of the features' rows, as far as they are there."""
    sequences = None
    if len(proteins):
        in_order = proteins.set_index("Entry")["Sequence"].reindex(features.entries)
        if in_order.isna().any():
            raise InputError(
                f"The proteins must be those of the features, but lack {in_order.index[in_order.isna()][0]}; "
                "run `kedro run --pipeline=feature_extraction` again"
            )
        sequences = in_order.tolist()
    if "mean" not in features.provenance.get("tokens", TOKENS):
        return ProteinViews(sequences, None)
    return ProteinViews(sequences, features.select(slice(_MEAN, _MEAN + 1))[:, 0].float().numpy())
