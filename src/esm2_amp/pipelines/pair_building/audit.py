"""The node that audits a split for leakage."""

import logging
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from esm2_amp.features import ProteinFeatures
from esm2_amp.parameters.pair_building import PairParameters
from esm2_amp.parameters.run import RunParameters
from esm2_amp.splits.audit import audit_pairs
from esm2_amp.splits.figures import audit_figure

logger = logging.getLogger(__name__)


def audit_split(
    pairs: pd.DataFrame,
    split_report: dict[str, Any],
    features: ProteinFeatures,
    similar: pd.DataFrame,
    parameters: PairParameters,
    run: RunParameters,
) -> tuple[dict[str, Any], pd.DataFrame, Figure]:
    """Count what the splits share: proteins, identical sequences, similar proteins.

    The more the test pairs share with the training pairs, the more a score may be memory. How far a protein's number of
    partners (its degree) tells the label is measured, too.

    Parameters
    ----------
    pairs : DataFrame
        Model pairs, of `split_pairs`.
    split_report : dict
        Of `split_pairs`.
    features : ProteinFeatures
    similar : DataFrame
        Of `compare_sequences`.
    parameters : PairParameters
    run : RunParameters

    Returns
    -------
    report : dict
        `split_report`, and beside it that of `esm2_amp.splits.audit.Audit`.
    degrees : DataFrame
        Of the same.
    figure : Figure
    """
    audit = audit_pairs(pairs, features.index["key"].tolist(), similar if parameters.compares_sequences else None)
    seen = audit.report["splits"]["test"]["seen_in_training"]
    logger.info(
        "Test pairs with both proteins in training (C1): %s, with one (C2): %s, with none (C3): %s",
        *(f"{seen[name]:,}" for name in ("C1", "C2", "C3")),
    )
    return split_report | {"audit": audit.report}, audit.degrees, audit_figure(audit, f"Split of {run.data_name}")
