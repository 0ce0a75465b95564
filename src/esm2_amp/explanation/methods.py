"""The methods of explanation: what each is called, measures and needs, and the function that computes it."""

from collections.abc import Iterable
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

if TYPE_CHECKING:
    from esm2_amp.explanation.results import Explanations

LOW_AUROC: Final = 0.6
"""AUROC below which explanations of a classifier are warned of: they show little about interaction."""


class Method(NamedTuple):
    """A method of explanation.

    Attributes
    ----------
    name : str
        What figures call it.
    unit : str
        What its importances are.
    needs : {"model", "latents"}
        What its function needs: a `esm2_amp.explanation.context.ModelContext` or a `LatentContext`.
    function : str
        Module in `esm2_amp.explanation` and name of its function: from the context to explanations by method, of
        several methods where one pass computes them. It is imported when it is called, since captum and shap take
        seconds to import.
    """

    name: str
    unit: str
    needs: Literal["model", "latents"]
    function: str


_RECEIVED: Final = "Attention received (share of all)"
_OF_A_FEATURE: Final = "Mean |attribution| of a feature (logit)"
_OF_SHAP: Final = "Mean |SHAP value| of a feature (logit)"

METHODS: Final = {
    "attention": Method("Attention", _RECEIVED, "model", "attention:explain_by_attention"),
    "attention_last_layer": Method("Attention, last layer", _RECEIVED, "model", "attention:explain_by_attention"),
    "attention_rollout": Method("Attention rollout", _RECEIVED, "model", "attention:explain_by_attention"),
    "integrated_gradients": Method("Integrated Gradients", _OF_A_FEATURE, "model", "gradients:explain_by_gradients"),
    "forest_shap": Method(
        "Forest: Tree SHAP", "Mean |SHAP value| (probability)", "latents", "latent_forest:explain_by_tree_shap"
    ),
    "network_shap": Method("Latent network: Deep SHAP", _OF_SHAP, "latents", "latent_network:explain_by_deep_shap"),
    "network_gradients": Method(
        "Latent network: Int. Gradients", _OF_A_FEATURE, "latents", "latent_network:explain_by_latent_gradients"
    ),
    "gini": Method("Forest: Gini", "Mean decrease in impurity", "latents", "latent_forest:explain_by_gini"),
}
"""Every method by the name that its files have."""


def explain(methods: Iterable[str], context: Any) -> "Explanations":
    """Explain pairs by several methods.

    Parameters
    ----------
    methods : iterable of str
        Names of `METHODS`, all of which need the same.
    context : ModelContext or LatentContext
        What they need.

    Returns
    -------
    explanations : dict of Explanation
        In the order of `methods`.
    """
    methods = list(methods)
    found: Explanations = {}
    for name in methods:
        if name not in found:
            found |= resolve_name(f"esm2_amp.explanation.{METHODS[name].function}")(context)
    return {name: found[name] for name in methods}
