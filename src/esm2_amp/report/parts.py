"""The parts of a page: tables that can be sorted, pictures and plots with descriptions, paragraphs and lists."""

import json
import math
from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence
from io import BytesIO
from typing import Any, Final, Literal, NamedTuple

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from PIL import Image

from esm2_amp.names import uniprot_address

MISSING: Final = "–"
_PIXELS_PER_INCH: Final = 110
"""Of the page for an inch of a figure: drawn for columns of a journal, it is as legible here as in print."""
_FINER: Final = 1.6
"""Pixels of a picture for each pixel of the page, since screens have up to three."""


class Cell(NamedTuple):
    """A cell of a table.

    Attributes
    ----------
    text : str
        What it shows.
    value : float or str, optional
        What its column is sorted by; no value comes last.
    note : str
        Shown smaller behind the text.
    link : str
        The address of a page on what it names.
    """

    text: str
    value: float | str | None = None
    note: str = ""
    link: str = ""


class Table(NamedTuple):
    """A table whose rows have a cell for each heading; `numbers` are the headings of columns of numbers."""

    caption: str
    headings: Sequence[str]
    rows: list[list[Cell]]
    numbers: frozenset[str] = frozenset()


Colours = Literal["ink", "scale"]
"""What colours of a picture are: ink, which a dark page may show light, or those of a scale, which are values."""


class Picture(NamedTuple):
    """A drawn figure: its data URI, its size on the page in pixels, its description in words, its caption, and what its
    colours are.
    """

    source: str
    width: int
    height: int
    alt: str
    caption: str
    colours: Colours = "ink"


class Gallery(NamedTuple):
    """Pictures side by side, or below one another where each needs the width of the page."""

    pictures: list[Picture]
    is_wide: bool = False


class Plot(NamedTuple):
    """An interactive figure: its title and description in words, Plotly's data and layout, its height in pixels, and
    whether it needs the width of the page.
    """

    title: str
    alt: str
    figure: dict[str, Any]
    height: int
    is_wide: bool = False


class Plots(NamedTuple):
    """Interactive figures side by side where there is room."""

    plots: list[Plot]


class Paragraph(NamedTuple):
    """A paragraph of plain text."""

    text: str


class Points(NamedTuple):
    """A list of sentences."""

    sentences: list[str]


class Facts(NamedTuple):
    """Terms, each with a short text."""

    facts: list[tuple[str, str]]


class Settings(NamedTuple):
    """Settings, which the reader can unfold."""

    title: str
    values: dict[str, Any]


class Missing(NamedTuple):
    """A part that isn't there: what is missing and why, and the command that makes it."""

    words: str
    command: str


class Group(NamedTuple):
    """Parts under a heading of their own."""

    title: str
    blocks: "Sequence[Block]"


class Folded(NamedTuple):
    """Parts that the reader can unfold."""

    title: str
    blocks: "Sequence[Block]"


Block = Paragraph | Points | Facts | Settings | Missing | Table | Gallery | Plot | Plots | Group | Folded


class Caution(NamedTuple):
    """A reason to doubt results, and what it is about; cautions of the same words become one sentence."""

    words: str
    of: str


class Section(NamedTuple):
    """A chapter of the report: its anchor, title and parts, and the cautions that stand at the top of the report.

    The `marks` of models tell their trainings apart, for chapters that are made of parts from different runs.
    """

    id: str
    title: str
    blocks: Sequence[Block]
    cautions: Sequence[str | Caution] = ()
    marks: Mapping[str, str] = {}


def sentences_of(cautions: Iterable[str | Caution]) -> list[str]:
    """Cautions as sentences, in the order of their first appearance; those of the same words in one."""
    subjects: dict[str, list[str]] = {}
    for caution in cautions:
        words, of = caution if isinstance(caution, Caution) else (caution, "")
        subjects.setdefault(words, [])
        if of and of not in subjects[words]:
            subjects[words].append(of)
    return [f"{words}: {'; '.join(of)}." if of else words for words, of in subjects.items()]


def text_cells(texts: Iterable[object]) -> list[Cell]:
    """A column of texts, sorted by their letters."""
    return [Cell(str(text), str(text)) for text in texts]


def protein_cells(proteins: Iterable[str], names: Mapping[str, str]) -> list[Cell]:
    """A column of proteins: ids, with a link to UniProt where they are accessions, and names behind where known."""
    return [
        Cell(str(protein), str(protein), names.get(protein, ""), uniprot_address(str(protein))) for protein in proteins
    ]


def number_cell(value: float | None, style: str = ".3f", note: str = "") -> Cell:
    """A cell sorted by its number; NaN and None are shown as missing."""
    if value is None or math.isnan(value):
        return Cell(MISSING)
    return Cell(f"{value:{style}}", float(value), note)


def number_cells(values: Iterable[float | None], style: str = ".3f") -> list[Cell]:
    """A column of numbers."""
    return [number_cell(value, style) for value in values]


def interval_cells(values: pd.DataFrame, style: str = ".3f") -> list[Cell]:
    """A column of numbers with their 95 % intervals, from three columns: value, low, high."""
    notes = [
        "" if math.isnan(low) or math.isnan(high) else f"{low:{style}} to {high:{style}}"
        for low, high in values.iloc[:, 1:].to_numpy(float)
    ]
    return [number_cell(value, style, note) for value, note in zip(values.iloc[:, 0], notes, strict=True)]


def table_of(caption: str, columns: Mapping[str, Iterable[Cell]]) -> Table:
    """A table from its columns but the blank ones; a column whose cells all have numbers, or none, is of numbers."""
    cells = {heading: list(column) for heading, column in columns.items()}
    cells = {heading: column for heading, column in cells.items() if not _is_blank(column)}
    numbers = frozenset(
        heading for heading, column in cells.items() if not any(isinstance(cell.value, str) for cell in column)
    )
    rows = [list(row) for row in zip(*cells.values(), strict=True)]
    return Table(caption, list(cells), rows, numbers)


def _is_blank(column: Sequence[Cell]) -> bool:
    return bool(column) and all(cell.text == MISSING for cell in column)


def picture_of(png: bytes, alt: str, caption: str = "", *, colours: Colours = "ink") -> Picture:
    """A picture for the page in the size for which it is drawn, in pixels finer by `_FINER` and 256 colours.

    What is white in the PNG is transparent, so that the picture fits a page of any colour; one of a scale has white
    behind it there.
    """
    with Image.open(BytesIO(png)) as opened:
        dots_per_inch, image = opened.info["dpi"][0], opened.convert("RGB")
    width, height = (round(pixels * _PIXELS_PER_INCH / dots_per_inch) for pixels in image.size)
    image.thumbnail((_FINER * width, _FINER * height), Image.Resampling.LANCZOS)
    # of Pillow's methods the one that keeps rare colours, such as those at the ends of a scale
    image = image.quantize(256, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE).convert("RGB")
    packed = BytesIO()
    without_white(image).save(packed, "WEBP", lossless=True, method=4)
    source = f"data:image/webp;base64,{b64encode(packed.getvalue()).decode()}"
    return Picture(source, width, height, alt, caption, colours)


def named_after(name: str, table: Table) -> Table:
    """A table with a name before its caption, which are those of no other table of the page."""
    return table._replace(caption=f"{name}: {table.caption}")


def shown_with_numbers(
    blocks: list[Block], png: bytes | None, caption: str, *, colours: Colours = "ink"
) -> list[Block]:
    """A figure, below which blocks that say the same in numbers are folded; without a figure the blocks alone."""
    if png is None:
        return blocks
    picture = picture_of(png, f"{caption}; the table has the same in numbers", colours=colours)
    return [Gallery([picture], is_wide=True), Folded("The same in numbers", blocks)]


def without_white(image: Image.Image) -> Image.Image:
    """An image (RGB) as transparent as it is white (RGBA): laid on white, it is the same."""
    colours = np.asarray(image, dtype=np.float64)
    alpha = 255 - colours.min(axis=2, keepdims=True)
    ink = 255 - (255 - colours) * 255 / alpha.clip(1)
    return Image.fromarray(np.concatenate([ink, alpha], axis=2).round().astype(np.uint8))


def plot_of(figure: go.Figure, title: str, alt: str, height: int = 500, *, is_wide: bool = False) -> Plot:
    """A plot for the page, without Plotly's own template: the page's style sheet sets its colours."""
    return Plot(title, alt, json.loads(figure.update_layout(template="none").to_json()), height, is_wide)
