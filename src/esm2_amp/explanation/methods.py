"""The methods of explanation: what figures call them, and what their bars measure."""

from collections.abc import Mapping
from typing import Final, NamedTuple

import pandas as pd

from esm2_amp.errors import InputError


class Method(NamedTuple):
    """A method as figures show it."""

    name: str
    unit: str


_RECEIVED: Final = "Attention received (share of all)"
_SHAP: Final = "Mean |SHAP value| (probability)"

METHODS: Final = {
    "attention": Method("Attention", _RECEIVED),
    "attention_last_layer": Method("Attention, last layer", _RECEIVED),
    "attention_rollout": Method("Attention rollout", _RECEIVED),
    "integrated_gradients": Method("Integrated Gradients", "Mean |attribution| of a feature (logit)"),
    "forest_shap": Method("Forest: Tree SHAP", _SHAP),
    "network_shap": Method("Latent network: Deep SHAP", "Mean |SHAP value| of a feature (logit)"),
    "network_gradients": Method("Latent network: Int. Gradients", "Mean |attribution| of a feature (logit)"),
    "gini": Method("Forest: Gini", "Mean decrease in impurity"),
}
"""Every method by the name its files carry."""

KNOWS_LITTLE: Final = 0.6
"""An AUROC below it is told as a warning: what such a classifier looks at says little about interaction."""


def token_columns(table: pd.DataFrame) -> list[str]:
    """The columns of an importance table that are tokens: `A_segment0` … `B_segment9`."""
    return [name for name in table.columns if name.startswith(("A_", "B_"))]


def check_same_pairs(tables: Mapping[str, pd.DataFrame]) -> None:
    """Raise InputError when tables are of different pairs, or importance tables of different tokens."""
    (first, expected), *others = tables.items()
    for name, table in others:
        same_pairs = table[["Protein1", "Protein2"]].equals(expected[["Protein1", "Protein2"]])
        if not same_pairs or token_columns(table) not in ([], token_columns(others[0][1])):
            raise InputError(
                f"Methods are compared on the same pairs and tokens, but {name} is of others than {first}; "
                "run `kedro run --pipeline=interpretability` again"
            )
