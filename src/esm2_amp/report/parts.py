"""What the page is made of: tables that can be sorted, pictures and plots with words for those who don't see them."""

import json
import math
from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence
from io import BytesIO
from typing import Any, Final, NamedTuple

import pandas as pd
import plotly.graph_objects as go
from PIL import Image

MISSING: Final = "–"
_PIXELS_PER_INCH: Final = 110
"""On the page; figures are drawn for columns of a journal, and are as legible there as in print."""
_FINER: Final = 1.6
"""Pixels of a picture for each of the page's, whose screens have up to three."""


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
        On the page, in its pixels.
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
    height : int
        On the page, in its pixels.
    """

    title: str
    alt: str
    figure: dict[str, Any]
    height: int


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
    blocks: "Sequence[Block]"


Block = Paragraph | Points | Facts | Settings | Missing | Table | Gallery | Plot | Group


class Section(NamedTuple):
    """A chapter of the report.

    Attributes
    ----------
    id : str
        Its anchor.
    title : str
    blocks : sequence of Block
    cautions : sequence of str
        Warnings that it gives rise to; they stand at the top of the report.
    """

    id: str
    title: str
    blocks: Sequence[Block]
    cautions: Sequence[str] = ()


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


def text_cells(texts: Iterable[object]) -> list[Cell]:
    """A column of texts."""
    return [text_cell(text) for text in texts]


def interval_cells(values: pd.DataFrame, style: str = ".3f") -> list[Cell]:
    """A column of numbers with their intervals, from three columns: value, low, high."""
    return [interval_cell(value, low, high, style) for value, low, high in values.to_numpy(float)]


def table_of(caption: str, columns: Mapping[str, Iterable[Cell]]) -> Table:
    """A table from its columns; one whose cells all have numbers, or none, is of numbers."""
    cells = {heading: list(column) for heading, column in columns.items()}
    numbers = frozenset(
        heading for heading, column in cells.items() if not any(isinstance(cell.value, str) for cell in column)
    )
    rows = [list(row) for row in zip(*cells.values(), strict=True)]
    return Table(caption, list(cells), rows, numbers)


def picture_of(png: bytes, alt: str, caption: str = "") -> Picture:
    """A picture for the page in the size it is drawn for, finer by `_FINER`, in 256 colours of its own."""
    with Image.open(BytesIO(png)) as opened:
        dots_per_inch, image = opened.info["dpi"][0], opened.convert("RGB")
    width, height = (round(pixels * _PIXELS_PER_INCH / dots_per_inch) for pixels in image.size)
    image.thumbnail((_FINER * width, _FINER * height), Image.Resampling.LANCZOS)
    # of Pillow's methods the one that keeps rare colours, such as those at the ends of a scale
    image = image.quantize(256, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE).convert("RGB")
    packed = BytesIO()
    image.save(packed, "WEBP", lossless=True, method=4)
    return Picture(f"data:image/webp;base64,{b64encode(packed.getvalue()).decode()}", width, height, alt, caption)


def plot_of(figure: go.Figure, title: str, alt: str, height: int = 500) -> Plot:
    """A plot for the page, without Plotly's own template: the page's style sheet gives it its colours."""
    return Plot(title, alt, json.loads(figure.update_layout(template="none").to_json()), height)
