"""The map of a pair: its proteins' residues and segments by importance, above their annotated regions."""

from typing import Final, NamedTuple

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import ListedColormap, Normalize, to_rgb
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from esm2_amp.figures.palette import COLOURS
from esm2_amp.protein import N_SEGMENTS, SIDES, segment_bounds
from esm2_amp.regions.figures import WIDTH, shown_type
from esm2_amp.regions.labels import PlacedLabel, place_labels

_TEXT, _SMALL = 8, 7
_TRACK_INCHES, _FIXED_INCHES = 0.2, 0.62
_NAMES_INCHES, _BAR_INCHES = 1.25, 0.7
_LETTER_INCHES = 0.056
_RESIDUE_LANES = 2
"""Height of a profile of residues, in tracks of regions."""
_THINNEST = 0.004
"""The least width of a drawn region, as a fraction of the protein's length: narrower ones could not be seen."""
_MAP: Final = ListedColormap(mpl.colormaps["Greys"](np.linspace(0.04, 0.85, 256)))
_BY_RANK = {"top": (0.75, 0.45), "low": (0.0, 0.0)}
"""Shades of the first and the last rank where importances aren't known; other segments have the shade `_UNRANKED`."""
_UNRANKED = 0.12

PROFILES: Final = {"Attribution": "Residues", "ScanEffect": "Changed sequence"}
"""Measures of residues, and what their profiles are called: what a residue's state adds to the logit, and what the
logit falls by where its window is replaced."""


class PairMap(NamedTuple):
    """A pair to be drawn as a map.

    Attributes
    ----------
    proteins : tuple of two str
        Names of A and B.
    lengths : tuple of two int
        Residues of A and B.
    segments : DataFrame
        Rows of `rank_segments` of the pair.
    regions : DataFrame
        `Entry`, `Type`, `Start`, `End` (1-based, inclusive) and `Note` of annotated regions.
    types : list of str
        The types of region to draw.
    importance : Series, optional
        Importance of each of the pair's tokens, by the token's name.
    title : str
        The figure's title.
    residues : DataFrame, optional
        Residues of the pair: `Side` (A or B), `Residue` (1-based), `AminoAcid`, and the measures of `PROFILES`, NaN
        where one wasn't computed.
    unit : str
        What the importance is, for its colour bar.
    names : tuple of two str
        What A and B are called beside their ids; empty texts where that isn't known.
    """

    proteins: tuple[str, str]
    lengths: tuple[int, int]
    segments: pd.DataFrame
    regions: pd.DataFrame
    types: list[str]
    importance: pd.Series | None
    title: str
    residues: pd.DataFrame | None = None
    unit: str = ""
    names: tuple[str, str] = ("", "")

    @property
    def longest(self) -> int:
        """Residues of the longer protein, to whose scale both are drawn."""
        return max(self.lengths)

    @property
    def measures(self) -> list[str]:
        """The measures of residues that have values."""
        if self.residues is None:
            return []
        return [name for name in PROFILES if name in self.residues and self.residues[name].notna().any()]


def protein_map(pair: PairMap) -> Figure:
    """Draw a pair: for each protein its 10 segments, shaded by importance and marked by rank, and a track per type.

    Both proteins have the same scale. Every region has its name: on it, or else right, left or above of it.

    Where the pair has residues, their profiles stand above the segments: up for an interaction, down against it. The
    profiles of a measure have one scale in both proteins.

    Parameters
    ----------
    pair : PairMap
        The pair. Without importances the segments are shaded by rank.

    Returns
    -------
    figure : Figure
        As wide as two columns of a journal, as high as the tracks need.
    """
    tracks = [_tracks(pair, entry) for entry in pair.proteins]
    above = _RESIDUE_LANES * len(pair.measures)
    lanes_of = [above + max(1, sum(track.lanes for track in of_protein.values())) for of_protein in tracks]
    heights = [_FIXED_INCHES + _TRACK_INCHES * lanes for lanes in lanes_of]
    figure = Figure(figsize=(WIDTH, sum(heights) + 0.75), layout="constrained")
    figure.suptitle(pair.title, fontsize=_TEXT)
    panels = figure.subplots(2, 1, height_ratios=heights)
    shades = _shades(pair.importance)
    for axes, side, entry, length, of_protein in zip(panels, SIDES, pair.proteins, pair.lengths, tracks, strict=True):
        _draw_segments(axes, pair, side, length, shades)
        _draw_tracks(axes, of_protein, pair, length)
        _draw_profiles(axes, pair, side, length)
        name = pair.names[SIDES.index(side)]
        axes.set_title(
            f"{side}: {entry}{f', {name}' if name else ''} ({length:,} residues)", fontsize=_TEXT, loc="left"
        )
        _lay_out(axes, length, pair.longest)
    panels[-1].set_xlabel("Residue", fontsize=_TEXT)
    if shades is not None:
        bar = figure.colorbar(ScalarMappable(shades, _MAP), ax=panels, aspect=30, pad=0.01)
        bar.set_label("\n".join(filter(None, ["Importance of a segment", pair.unit])), fontsize=_TEXT)
        bar.ax.tick_params(labelsize=_SMALL)
        bar.ax.yaxis.set_major_locator(MaxNLocator(4))
    return figure


class _Track(NamedTuple):
    """Regions of a type, where they and their names stand, and how many lanes they take."""

    regions: pd.DataFrame
    placed: list[PlacedLabel]
    lanes: int


def _tracks(pair: PairMap, entry: str) -> dict[str, _Track]:
    """A protein's regions by type."""
    of_protein = pair.regions[pair.regions["Entry"] == entry]
    letter = _LETTER_INCHES * pair.longest / (WIDTH - _NAMES_INCHES - _BAR_INCHES)
    tracks = {}
    for kind in pair.types:
        regions = of_protein[of_protein["Type"] == kind].sort_values(["Start", "End"], kind="stable")
        if len(regions):
            notes = regions["Note"].fillna("").astype(str).tolist()
            limits = (0.5, pair.longest + 0.5)
            tracks[kind] = _Track(regions, *place_labels(_extents(regions, pair.longest), notes, letter, limits))
    return tracks


def _extents(regions: pd.DataFrame, longest: int) -> list[tuple[float, float]]:
    """Where regions start and end as they are drawn, none too narrow to be seen."""
    return [
        (first - 0.5, first - 0.5 + max(last - first + 1, _THINNEST * longest))
        for first, last in regions[["Start", "End"]].itertuples(index=False)
    ]


def lanes(starts: list[int], ends: list[int]) -> list[int]:
    """Lanes in which intervals don't overlap.

    Parameters
    ----------
    starts : list of int
        First residues of the intervals, increasing.
    ends : list of int
        Last residues.

    Returns
    -------
    lanes : list of int
        For each interval the first lane, from 0, in which it overlaps no interval before it.
    """
    last_ends: list[int] = []
    chosen = []
    for start, end in zip(starts, ends, strict=True):
        lane = next((i for i, last in enumerate(last_ends) if last < start), len(last_ends))
        last_ends[lane : lane + 1] = [end]
        chosen.append(lane)
    return chosen


def _shades(importance: pd.Series | None) -> Normalize | None:
    if importance is None:
        return None
    values = importance.to_numpy(np.float64)
    return Normalize(values.min(), values.max() if values.max() > values.min() else values.min() + 1)


def _draw_segments(axes: Axes, pair: PairMap, side: str, length: int, shades: Normalize | None) -> None:
    bounds = segment_bounds(length)
    ranked = pair.segments
    words = ranked["Selection"].str.lower() + " " + ranked["Rank"].astype("str")
    marks = dict(zip(ranked["Token"], words, strict=True))
    for segment in range(N_SEGMENTS):
        token, width = f"{side}_segment{segment}", bounds[segment + 1] - bounds[segment]
        if shades is not None and pair.importance is not None:
            colour = _MAP(float(shades(pair.importance[token])))
        else:
            colour = _MAP(_shade_of_rank(marks.get(token, ""), int(max(ranked["Rank"], default=1))))
        axes.broken_barh([(bounds[segment] + 0.5, width)], (-1, 0.9), facecolor=colour, edgecolor=COLOURS[-1],
                         linewidth=0.5)  # fmt: skip
        if mark := marks.get(token):
            axes.text(bounds[segment] + 0.5 + width / 2, -0.57, mark, ha="center", va="center", fontsize=_SMALL,
                      weight="bold" if mark.startswith("top") else "normal", color=_readable(colour))  # fmt: skip


def _shade_of_rank(mark: str, ranks: int) -> float:
    """Where on the map of greys a segment marked `top 1` or `low 3`, or not marked, lies."""
    if not mark:
        return _UNRANKED
    selection, rank = mark.split()
    return float(np.interp(int(rank), (1, max(ranks, 2)), _BY_RANK[selection]))


def _draw_tracks(axes: Axes, tracks: dict[str, _Track], pair: PairMap, length: int) -> None:
    ticks, names, lane = [-0.55], ["Segments"], 0
    for kind, track in tracks.items():
        _draw_track(axes, track, lane, pair.longest, COLOURS[pair.types.index(kind) % len(COLOURS)])
        lane += track.lanes
        ticks.append(lane - track.lanes / 2)
        names.append(shown_type(kind))
    if not tracks:
        axes.text(0.5 + length / 2, 0.5, "no annotated regions", ha="center", va="center", fontsize=_SMALL)
    axes.set_yticks(ticks, names, fontsize=_SMALL)
    axes.set_ylim(max(lane, 1) + 0.1, -1.15)


def _draw_track(axes: Axes, track: _Track, first: int, longest: int, colour: str) -> None:
    """Regions of a type from a lane on, each with its name."""
    for (start, end), placed in zip(_extents(track.regions, longest), track.placed, strict=True):
        y = first + placed.lane + 0.12
        axes.broken_barh([(start, end - start)], (y, 0.76), facecolor=colour, edgecolor="white", linewidth=0.4)
        if placed.text:
            axes.text(placed.x, first + placed.text_lane + 0.5, placed.text, ha=placed.align, va="center",
                      fontsize=_SMALL, color=_readable(colour) if placed.is_inside else "black")  # fmt: skip


def _draw_profiles(axes: Axes, pair: PairMap, side: str, length: int) -> None:
    """Profiles of residues above the segments, with the value that half the height of each stands for."""
    if pair.residues is None or not pair.measures:
        return
    of_side = pair.residues[pair.residues["Side"] == side].sort_values("Residue")
    ticks, names = list(axes.get_yticks()), [label.get_text() for label in axes.get_yticklabels()]
    for number, measure in enumerate(pair.measures):
        zero = -1.25 - _RESIDUE_LANES * (number + 0.5)
        largest = float(pair.residues[measure].abs().max()) or 1.0
        heights = of_side[measure].to_numpy(np.float64) / largest * (_RESIDUE_LANES / 2 - 0.08)
        edges, steps = np.arange(length + 1) + 0.5, np.append(heights, heights[-1:])
        for colour, part in ((COLOURS[0], steps.clip(min=0)), (COLOURS[1], steps.clip(max=0))):
            axes.fill_between(edges, zero - part, zero, step="post", color=colour, linewidth=0)
        axes.hlines(zero, 0.5, length + 0.5, color=COLOURS[-1], linewidth=0.4)
        axes.text(
            length + 0.5, zero - 0.5, f"full height: {largest:.2g} (logit)", ha="right", va="bottom", fontsize=_SMALL
        )
        ticks.append(zero)
        names.append(PROFILES[measure])
    axes.set_yticks(ticks, names, fontsize=_SMALL)
    axes.set_ylim(axes.get_ylim()[0], -1.3 - _RESIDUE_LANES * len(pair.measures))


def _lay_out(axes: Axes, length: int, longest: int) -> None:
    axes.set_xlim(0.5, longest + 0.5)
    axes.set_xticks([tick for tick in MaxNLocator(9, integer=True).tick_values(0, longest) if 1 <= tick <= length])
    axes.tick_params(axis="y", length=0)
    axes.tick_params(axis="x", labelsize=_SMALL)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.spines["bottom"].set_bounds(0.5, length + 0.5)


def _readable(colour: object) -> str:
    red, green, blue = to_rgb(colour)  # type: ignore[arg-type]
    return "white" if 0.299 * red + 0.587 * green + 0.114 * blue < 0.55 else "black"  # noqa: PLR2004
