"""A report as a reader of its HTML sees it."""

from html.parser import HTMLParser
from typing import NamedTuple


class Shown(NamedTuple):
    """What a page shows.

    Attributes
    ----------
    tables : dict
        Caption → rows, the headings first; a cell is its text and what it is sorted by.
    text : str
    """

    tables: dict[str, list[list[tuple[str, str | None]]]]
    text: str


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tables, self.text, self._caption, self._skipped = {}, [], "", False
        self._cell: list | None = None

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        self._skipped = tag in ("script", "style")
        if tag == "div" and given.get("class") == "scroll":
            self._caption = given["aria-label"]
            assert self._caption not in self.tables, f"two tables have the caption {self._caption}"
            self.tables[self._caption] = []
        elif tag == "tr":
            self.tables[self._caption].append([])
        elif tag in ("th", "td"):
            self._cell = ["", given.get("data-value")]

    def handle_endtag(self, tag):
        self._skipped = False
        if tag in ("th", "td"):
            self.tables[self._caption][-1].append((self._cell[0].strip(), self._cell[1]))
            self._cell = None

    def handle_data(self, data):
        if self._skipped:
            return
        if self._cell is not None:
            self._cell[0] += data
        self.text.append(data)


def read_page(page: str) -> Shown:
    reader = _Reader()
    reader.feed(page)
    return Shown(reader.tables, " ".join(" ".join(reader.text).split()))
