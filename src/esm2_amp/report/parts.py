"""What the page is made of: tables that can be sorted, pictures and plots with words for those who don't see them."""

import json
import math
from base64 import b64encode
from collections.abc import Iterable, Sequence
from io import BytesIO
from typing import Any, Final, NamedTuple

import plotly.graph_objects as go
from PIL import Image

MISSING: Final = "–"
_PIXELS: Final = 1400
"""Widest picture on the page: sharp at twice its size in a column of 700 pixels."""


class Cell(NamedTuple):
    """A cell of a table.

    Attributes
    ----------
    text : str
    value : float or str, optional
        What its column is sorted by; a cell without any comes last.
    note : str
        Smaller, behind the text.
    """

    text: str
    value: float | str | None = None
    note: str = ""


class Table(NamedTuple):
    """A table; every row has a cell for each heading.

    Attributes
    ----------
    caption : str
    headings : sequence of str
    rows : list of list of Cell
    numbers : frozenset of str
        Headings of columns of numbers.
    """

    caption: str
    headings: Sequence[str]
    rows: list[list[Cell]]
    numbers: frozenset[str] = frozenset()


class Picture(NamedTuple):
    """A drawn figure.

    Attributes
    ----------
    source : str
        As a data URI.
    width, height : int
        In pixels.
    alt : str
        What it shows, in words.
    caption : str
    """

    source: str
    width: int
    height: int
    alt: str
    caption: str


class Gallery(NamedTuple):
    """Pictures side by side.

    Attributes
    ----------
    pictures : list of Picture
    is_wide : bool
        Whether each needs the width of the page.
    """

    pictures: list[Picture]
    is_wide: bool = False


class Plot(NamedTuple):
    """An interactive figure.

    Attributes
    ----------
    title : str
    alt : str
        What it shows, in words.
    figure : dict
        Plotly's data and layout, for JSON.
    """

    title: str
    alt: str
    figure: dict[str, Any]


class Paragraph(NamedTuple):
    """A paragraph of plain text."""

    text: str


class Points(NamedTuple):
    """A list of sentences."""

    sentences: list[str]


class Facts(NamedTuple):
    """Terms and what is to be said of each."""

    facts: list[tuple[str, str]]


class Settings(NamedTuple):
    """Settings, to be read where wanted."""

    title: str
    values: dict[str, Any]


class Missing(NamedTuple):
    """A part that isn't there.

    Attributes
    ----------
    words : str
        What is missing, and why.
    command : str
        What makes it.
    """

    words: str
    command: str


class Group(NamedTuple):
    """Parts under a heading of their own."""

    title: str
    blocks: "list[Block]"


Block = Paragraph | Points | Facts | Settings | Missing | Table | Gallery | Plot | Group


class Section(NamedTuple):
    """A chapter of the report.

    Attributes
    ----------
    id : str
        Its anchor.
    title : str
    blocks : list of Block
    cautions : list of str
        Warnings that it gives rise to; they stand at the top of the report.
    """

    id: str
    title: str
    blocks: list[Block]
    cautions: list[str] = []  # noqa: RUF012


def text_cell(text: object) -> Cell:
    """A cell sorted by its letters."""
    return Cell(str(text), str(text))


def number_cell(value: float | None, style: str = ".3f", note: str = "") -> Cell:
    """A cell sorted by its number; NaN and None show as missing."""
    if value is None or math.isnan(value):
        return Cell(MISSING)
    return Cell(f"{value:{style}}", float(value), note)


def interval_cell(value: float, low: float, high: float, style: str = ".3f") -> Cell:
    """A number with its 95 % interval."""
    has_interval = not (math.isnan(low) or math.isnan(high))
    return number_cell(value, style, f"{low:{style}} to {high:{style}}" if has_interval else "")


def table_of(caption: str, columns: dict[str, Iterable[Cell]]) -> Table:
    """A table from its columns; one whose cells all have numbers, or none, is of numbers."""
    cells = {heading: list(column) for heading, column in columns.items()}
    numbers = frozenset(
        heading for heading, column in cells.items() if not any(isinstance(cell.value, str) for cell in column)
    )
    rows = [list(row) for row in zip(*cells.values(), strict=True)]
    return Table(caption, list(cells), rows, numbers)


def picture_of(png: bytes, alt: str, caption: str = "") -> Picture:
    """A picture for the page: at most `_PIXELS` wide, in the few colours that charts have, as WebP."""
    with Image.open(BytesIO(png)) as opened:
        image = opened.convert("RGB")
    image.thumbnail((_PIXELS, 4 * _PIXELS), Image.Resampling.LANCZOS)
    image = image.quantize(128, dither=Image.Dither.NONE).convert("RGB")
    packed = BytesIO()
    image.save(packed, "WEBP", lossless=True, method=4)
    return Picture(f"data:image/webp;base64,{b64encode(packed.getvalue()).decode()}", *image.size, alt, caption)


def plot_of(figure: go.Figure, title: str, alt: str) -> Plot:
    """A plot for the page, without Plotly's own template: the page's style sheet gives it its colours."""
    return Plot(title, alt, json.loads(figure.update_layout(template="none").to_json()))
