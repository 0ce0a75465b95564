"""Where regions of a protein and their names stand in a map, so that none lies over another and every name is shown."""

from collections.abc import Sequence
from typing import Literal, NamedTuple

Extent = tuple[float, float]


class PlacedLabel(NamedTuple):
    """A region's place in a map, and that of its name.

    Attributes
    ----------
    lane : int
        The lane of the region, from 0.
    text_lane : int
        The lane of its name: the same, or the one above.
    x : float
        Where the name is anchored, in residues.
    align : {"left", "center", "right"}
        Which part of the name is there.
    is_inside : bool
        Whether the name stands on the region.
    text : str
        The name; cut only where it is longer than the map is wide.
    """

    lane: int
    text_lane: int
    x: float
    align: Literal["left", "center", "right"]
    is_inside: bool
    text: str


def place_labels(
    extents: Sequence[Extent], notes: Sequence[str], letter: float, limits: Extent
) -> tuple[list[PlacedLabel], int]:
    """Place regions in lanes with their names: on a region, or else right, left or above of it.

    Parameters
    ----------
    extents : sequence of (float, float)
        Where each region starts and ends, starts increasing.
    notes : sequence of str
        The regions' names; an empty text needs no room.
    letter : float
        Width of a letter, in residues.
    limits : (float, float)
        Where the map starts and ends.

    Returns
    -------
    placed : list of PlacedLabel
        In the order of the regions.
    lanes : int
        How many lanes they take.
    """
    occupied: list[list[Extent]] = []
    placed = []
    for (start, end), note in zip(extents, notes, strict=True):
        text = _cut(note, int((limits[1] - limits[0]) / letter) - 1)
        needed = (len(text) + 1) * letter if text else 0.0
        needs: list[Extent]
        if needed <= end - start:
            needs, x, align = [(start, end)], (start + end) / 2, "center"
        elif end + needed <= limits[1]:
            needs, x, align = [(start, end + needed)], end + letter / 2, "left"
        elif start - needed >= limits[0]:
            needs, x, align = [(start - needed, end)], start - letter / 2, "right"
        else:
            first = min(max((start + end - needed) / 2, limits[0]), limits[1] - needed)
            needs, x, align = [(first, first + needed), (start, end)], first + letter / 2, "left"
        top = _first_free(occupied, needs)
        lane = top + len(needs) - 1
        is_inside = needed <= end - start
        placed.append(PlacedLabel(lane, top, x, align, is_inside, text))  # type: ignore[arg-type]
    return placed, len(occupied)


def _cut(text: str, letters: int) -> str:
    return text if len(text) <= letters else f"{text[: max(letters - 1, 0)]}…"


def _first_free(occupied: list[list[Extent]], needs: list[Extent]) -> int:
    """The first lane from which consecutive lanes have room, which is then taken."""
    top = 0
    while not all(
        _is_free(occupied[lane], extent) for lane, extent in enumerate(needs, start=top) if lane < len(occupied)
    ):
        top += 1
    occupied += [[] for _ in range(top + len(needs) - len(occupied))]
    for lane, extent in enumerate(needs, start=top):
        occupied[lane].append(extent)
    return top


def _is_free(taken: list[Extent], extent: Extent) -> bool:
    return all(extent[0] >= end or extent[1] <= start for start, end in taken)
