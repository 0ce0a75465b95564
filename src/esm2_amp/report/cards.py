"""Model cards: a page beside the weights with what they are, how good they are, and what they are not for."""

from collections.abc import Sequence
from importlib.resources import files
from typing import Any, NamedTuple

from huggingface_hub import EvalResult, ModelCard, ModelCardData


class MeasuredValue(NamedTuple):
    """A measured value, for the head of a card that model hubs read."""

    data: str
    metric: str
    value: float


def model_card(
    template: str,
    *,
    name: str,
    licence: str,
    tags: Sequence[str],
    task: str,
    measured: Sequence[MeasuredValue],
    **values: Any,
) -> str:
    """A card in the layout of model hubs: a head for machines, then a page for people.

    Parameters
    ----------
    template : str
        File in `esm2_amp/templates`.
    name : str
        Name of the model.
    licence : str
        Licence of the weights, in the hub's short form such as "cc-by-4.0".
    tags : sequence of str
        Tags by which the model is found on the hub.
    task : str
        The task that `measured` is about, in the hub's terms.
    measured : sequence of MeasuredValue
        Values for the head of the card.
    **values
        What the template shows.

    Returns
    -------
    card : str
        Markdown.
    """
    results = [
        EvalResult(
            task_type=task,
            dataset_type="protein",
            dataset_name=value.data,
            metric_type=value.metric.lower(),
            metric_name=value.metric,
            metric_value=round(value.value, 4),
        )
        for value in measured
    ]
    head = ModelCardData(
        model_name=name, license=licence, library_name="esm2_amp", tags=list(tags), eval_results=results
    )
    page = files("esm2_amp").joinpath("templates", template).read_text(encoding="utf-8")
    return str(ModelCard.from_template(head, template_str=page, name=name, **values))
