"""Parts of a page as JSON, so that the step that knows what they say can leave them to the step that makes the page."""

from collections.abc import Mapping
from typing import Any, Final

from esm2_amp.report import parts

_KINDS: Final = {
    kind.__name__: kind
    for kind in (
        *(parts.Section, parts.Caution, parts.Group, parts.Folded, parts.Paragraph, parts.Points, parts.Facts),
        *(parts.Settings, parts.Missing, parts.Table, parts.Cell, parts.Picture, parts.Gallery, parts.Plot),
        parts.Plots,
    )
}
_KIND: Final = "<kind>"


def as_json(part: Any) -> Any:
    """A part of a page, or what it holds, as values that JSON knows.

    Parameters
    ----------
    part : NamedTuple of `esm2_amp.report.parts`, or a value in one
        A mapping in one has names for keys, none of which is `<kind>`.

    Returns
    -------
    value : dict, list, str, float, int, bool or None
        A dict with its `<kind>` and its fields for a NamedTuple, a list for each other sequence or set.
    """
    if type(part).__name__ in _KINDS:
        return {_KIND: type(part).__name__, **{name: as_json(value) for name, value in part._asdict().items()}}
    if isinstance(part, Mapping):
        return {name: as_json(value) for name, value in part.items()}
    if isinstance(part, frozenset):
        return sorted(part)
    if isinstance(part, list | tuple):
        return [as_json(value) for value in part]
    return part.item() if hasattr(part, "item") else part  # of numbers of NumPy


def from_json(value: Any) -> Any:
    """The part of a page that `as_json` was given; tuples of no kind are lists.

    Parameters
    ----------
    value : dict, list, str, float, int, bool or None
        Of `as_json`.

    Examples
    --------
    >>> from_json(as_json(parts.Group("Results", [parts.Paragraph("None yet.")])))
    Group(title='Results', blocks=[Paragraph(text='None yet.')])
    """
    if isinstance(value, list):
        return [from_json(item) for item in value]
    if not isinstance(value, dict):
        return value
    fields = {name: from_json(item) for name, item in value.items() if name != _KIND}
    if _KIND not in value:
        return fields
    if "numbers" in fields:
        fields["numbers"] = frozenset(fields["numbers"])
    return _KINDS[value[_KIND]](**fields)
