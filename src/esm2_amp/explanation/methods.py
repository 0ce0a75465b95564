"""The methods of explanation: what each is called, measures and needs, and the function that computes it."""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

if TYPE_CHECKING:
    from esm2_amp.explanation.results import Explanations

KNOWS_LITTLE: Final = 0.6
"""AUROC below which a classifier is warned of: what it looks at says little about interaction."""


class Method(NamedTuple):
    """A method of explanation.

    Attributes
    ----------
    name : str
        What figures call it.
    unit : str
        What its importances are.
    needs : {"model", "latents"}
        What `explain` takes: a `esm2_amp.explanation.context.ModelContext` or a `LatentContext`.
    explain : callable
        From the context to explanations by method. It may give those of several methods that one pass computes.
    """

    name: str
    unit: str
    needs: Literal["model", "latents"]
    explain: "Callable[[Any], Explanations]"


# The modules below import captum and shap, so each is imported when its method is asked for.


def _by_attention(context: Any) -> "Explanations":
    from esm2_amp.explanation.attention import explain_by_attention

    return explain_by_attention(context)


def _by_gradients(context: Any) -> "Explanations":
    from esm2_amp.explanation.gradients import explain_by_gradients

    return explain_by_gradients(context)


def _by_gini(context: Any) -> "Explanations":
    from esm2_amp.explanation.latent_forest import explain_by_gini

    return explain_by_gini(context)


def _by_tree_shap(context: Any) -> "Explanations":
    from esm2_amp.explanation.latent_forest import explain_by_tree_shap

    return explain_by_tree_shap(context)


def _by_deep_shap(context: Any) -> "Explanations":
    from esm2_amp.explanation.latent_network import explain_by_deep_shap

    return explain_by_deep_shap(context)


def _by_latent_gradients(context: Any) -> "Explanations":
    from esm2_amp.explanation.latent_network import explain_by_latent_gradients

    return explain_by_latent_gradients(context)


_RECEIVED: Final = "Attention received (share of all)"
_OF_A_FEATURE: Final = "Mean |attribution| of a feature (logit)"

METHODS: Final = {
    "attention": Method("Attention", _RECEIVED, "model", _by_attention),
    "attention_last_layer": Method("Attention, last layer", _RECEIVED, "model", _by_attention),
    "attention_rollout": Method("Attention rollout", _RECEIVED, "model", _by_attention),
    "integrated_gradients": Method("Integrated Gradients", _OF_A_FEATURE, "model", _by_gradients),
    "forest_shap": Method("Forest: Tree SHAP", "Mean |SHAP value| (probability)", "latents", _by_tree_shap),
    "network_shap": Method(
        "Latent network: Deep SHAP", "Mean |SHAP value| of a feature (logit)", "latents", _by_deep_shap
    ),
    "network_gradients": Method("Latent network: Int. Gradients", _OF_A_FEATURE, "latents", _by_latent_gradients),
    "gini": Method("Forest: Gini", "Mean decrease in impurity", "latents", _by_gini),
}
"""Every method by the name that its files have."""


def explain(methods: Iterable[str], context: Any) -> "Explanations":
    """Explain pairs by several methods.

    Parameters
    ----------
    methods : iterable of str
        Names of `METHODS`, all of which need the same.
    context : ModelContext or LatentContext

    Returns
    -------
    explanations : dict of Explanation
        In the order of `methods`.
    """
    methods = list(methods)
    found: Explanations = {}
    for name in methods:
        if name not in found:
            found |= METHODS[name].explain(context)
    return {name: found[name] for name in methods}
