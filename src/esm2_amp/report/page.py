"""The page: sections through a template, with style, script and Plotly inside, so that nothing is fetched."""

import gzip
from base64 import b64encode
from collections.abc import Iterable, Sequence
from datetime import datetime
from importlib.resources import files
from typing import Final

from jinja2 import Environment, FunctionLoader, StrictUndefined
from plotly.offline import get_plotlyjs

from esm2_amp import __version__
from esm2_amp.report.parts import Block, Folded, Group, Plot, Plots, Section, sentences_of

_TEMPLATES: Final = files("esm2_amp") / "templates"


def render(title: str, sections: list[Section], first: Sequence[str] = ()) -> str:
    """One HTML page that opens offline.

    Parameters
    ----------
    title : str
        Title of the page.
    sections : list of Section
        In the order of the page; their cautions are gathered at its top.
    first : sequence of str
        Cautions that stand before all others.
    """
    environment = Environment(
        loader=FunctionLoader(_read), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["kind"] = lambda block: type(block).__name__.lower()
    has_plots = any(_has_plots(section.blocks) for section in sections)
    return environment.get_template("report.html.j2").render(
        title=title,
        sections=sections,
        cautions=sentences_of([*first, *(caution for section in sections for caution in section.cautions)]),
        made=datetime.now().astimezone(),
        version=__version__,
        style=_read("report.css"),
        script=_read("report.js"),
        plotly=_packed(get_plotlyjs()) if has_plots else "",
    )


def _read(name: str) -> str:
    return (_TEMPLATES / name).read_text(encoding="utf-8")


def _packed(script: str) -> str:
    """A script compressed to 40 % of its size, as letters; the browser unpacks it."""
    return b64encode(gzip.compress(script.encode(), mtime=0)).decode()


def _has_plots(blocks: Iterable[Block]) -> bool:
    return any(
        isinstance(block, Plot | Plots) or (isinstance(block, Group | Folded) and _has_plots(block.blocks))
        for block in blocks
    )
