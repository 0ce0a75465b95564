"""Parameters of `model_release`."""

from esm2_amp.parameters.base import Parameters


class ReleaseParameters(Parameters):
    """What a model's card holds beyond what is stored with the model.

    Attributes
    ----------
    name : str
        What the model is called.
    summary : str
        One paragraph: what it is, and for what.
    data : str
        Where proteins and pairs come from.
    licence : str
        Of the data, and so of the weights.
    not_for : list of str
        What it must not be used for.
    recipe : str
        How to make it again.
    """

    name: str
    summary: str
    data: str
    licence: str
    not_for: list[str]
    recipe: str
