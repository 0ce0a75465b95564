"""The interactive map of a pair (Plotly): both measures of every residue above segments, sequence and regions."""

from collections.abc import Iterator
from typing import Final

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from esm2_amp.figures.palette import ACCENT, COLOURS, GREY, MAIN
from esm2_amp.protein import N_SEGMENTS, SIDES, segment_bounds
from esm2_amp.regions.figures import shown_type
from esm2_amp.regions.protein_map import PROFILES, PairMap, lanes

_PROFILE_PIXELS, _SEQUENCE_PIXELS, _LANE_PIXELS, _FIXED_PIXELS, _GAP_PIXELS = 110, 26, 24, 160, 44
_READABLE: Final = 8
"""The least size of a note in pixels; notes that don't fit into their region so are hidden."""

LETTER_PIXELS: Final = 8
"""Pixels that a letter of the sequence needs: letters are hidden where a residue has less, until it is zoomed."""

_UNZOOMED_PIXELS: Final = 500
"""Pixels that a sequence surely has on a desktop's page before it is zoomed."""


def residue_plot(pair: PairMap) -> go.Figure:
    """Draw a pair for the screen.

    For each protein: what each residue adds to the logit, what the logit falls by where its window is replaced, the
    sequence, its segments, and its regions. Pointing at a residue shows its number, amino acid, segment, regions and
    both measures. The letters of a sequence stand in traces of their own, hidden in long proteins: the layout's `meta`
    lists the `trace`, the `axis` and the `pixels` that a residue needs for its letter, so that a page can show them
    where the reader has zoomed far enough.

    Parameters
    ----------
    pair : PairMap
        The pair, with residues.

    Returns
    -------
    figure : Figure
        Panels of one protein zoom together.
    """
    if pair.residues is None:
        raise ValueError("the pair's residues must be given")
    tracks = [list(_tracks(pair, number)) for number in range(len(SIDES))]
    profiles = [_PROFILE_PIXELS] * len(pair.measures)
    heights = [height for of_protein in tracks
               for height in (*profiles, _SEQUENCE_PIXELS, _LANE_PIXELS * (1 + len(of_protein)))]  # fmt: skip
    pixels = sum(heights) + _GAP_PIXELS * (len(heights) - 1)
    figure = make_subplots(len(heights), 1, row_heights=heights, vertical_spacing=_GAP_PIXELS / pixels)
    for number, side in enumerate(SIDES):
        _draw_protein(figure, pair, number, side, tracks[number])
    figure.update_layout(
        title=pair.title, template="simple_white", height=pixels + _FIXED_PIXELS, bargap=0, barmode="overlay",
        uniformtext={"minsize": _READABLE, "mode": "hide"}, showlegend=False,
        margin={"t": 80, "b": 80, "l": 130, "r": 30}, meta={"letters": _letters(figure)},
    )  # fmt: skip
    figure.update_yaxes(fixedrange=True)
    return figure


def _tracks(pair: PairMap, number: int) -> Iterator[pd.DataFrame]:
    """The regions of a protein, lane by lane, each with the colour of its type."""
    of_protein = pair.regions[pair.regions["Entry"] == pair.proteins[number]]
    for kind in pair.types:
        regions = of_protein[of_protein["Type"] == kind].sort_values(["Start", "End"], kind="stable")
        lane = lanes(regions["Start"].tolist(), regions["End"].tolist())
        colour = COLOURS[pair.types.index(kind) % len(COLOURS)]
        for _, of_lane in regions.assign(Lane=lane, Colour=colour).groupby("Lane"):
            yield of_lane


def _draw_protein(figure: go.Figure, pair: PairMap, number: int, side: str, tracks: list[pd.DataFrame]) -> None:
    assert pair.residues is not None
    length, measures = pair.lengths[number], pair.measures
    first = (len(measures) + 2) * number + 1
    residues = pair.residues[pair.residues["Side"] == side].sort_values("Residue")
    pointed_at = {"customdata": _words(residues, tracks, length), "hovertemplate": "%{customdata}<extra></extra>"}
    for row, measure in enumerate(measures, start=first):
        colours = np.where(residues[measure] < 0, ACCENT, MAIN)
        figure.add_bar(x=residues["Residue"], y=residues[measure], width=1, marker={"color": colours, "line_width": 0},
                       **pointed_at, row=row, col=1)  # fmt: skip
        largest = 1.05 * float(pair.residues[measure].abs().max())
        figure.update_yaxes(title_text=f"{PROFILES[measure]}<br>(logit)", range=[-largest, largest], row=row, col=1)
    row = first + len(measures)
    figure.add_bar(x=residues["Residue"], y=np.ones(length), width=1, marker={"color": "#F2F2F2", "line_width": 0},
                   **pointed_at, row=row, col=1)  # fmt: skip
    figure.add_scatter(
        x=residues["Residue"], y=np.full(length, 0.5), mode="text", text=residues["AminoAcid"], hoverinfo="skip",
        textfont={"color": "black", "family": "monospace", "size": 12},
        visible=length * LETTER_PIXELS <= _UNZOOMED_PIXELS, row=row, col=1,
    )  # fmt: skip
    figure.update_yaxes(visible=False, range=[0, 1], row=row, col=1)
    _draw_segments(figure, pair, side, length, row + 1)
    for lane, of_lane in enumerate(tracks, start=1):
        _draw_regions(figure, of_lane, lane, row + 1)
    names = ["Segments", *(shown_type(str(of_lane["Type"].iloc[0])) for of_lane in tracks)]
    figure.update_yaxes(tickvals=list(range(len(names))), ticktext=names, range=[len(names) - 0.5, -0.5], ticks="",
                        row=row + 1, col=1)  # fmt: skip
    matched = f"x{first if first > 1 else ''}"  # by the name of the first panel's axis
    for panel in range(first, row + 2):
        is_last = panel == row + 1
        figure.update_xaxes(showticklabels=is_last, ticks="outside" if is_last else "", range=[0.5, length + 0.5],
                            matches=None if panel == first else matched, row=panel, col=1)  # fmt: skip
    named = f"Residue of {side}: {pair.proteins[number]} ({length:,} residues)"
    figure.update_xaxes(title={"text": named, "standoff": 2}, row=row + 1, col=1)


def _letters(figure: go.Figure) -> list[dict[str, str | int]]:
    """The traces of letters, with the names of their axes in the layout, and the room that a letter needs."""
    return [
        {"trace": number, "axis": f"xaxis{trace.xaxis[1:]}", "pixels": LETTER_PIXELS}
        for number, trace in enumerate(figure.data)
        if trace.type == "scatter"
    ]


def _draw_segments(figure: go.Figure, pair: PairMap, side: str, length: int, row: int) -> None:
    bounds, tokens = segment_bounds(length), [f"{side}_segment{number}" for number in range(N_SEGMENTS)]
    known = pair.importance is not None and set(tokens) <= set(pair.importance.index)
    importance = pair.importance[tokens].to_numpy(np.float64) if known and pair.importance is not None else None
    words = [f"{token}, residues {start + 1} to {end}" for token, start, end in zip(tokens, bounds, bounds[1:],
                                                                                   strict=False)]  # fmt: skip
    if importance is not None:
        words = [f"{word}, importance {value:.3g}" for word, value in zip(words, importance, strict=True)]
    figure.add_bar(
        base=bounds[:-1] + 0.5, x=np.diff(bounds), y=np.zeros(N_SEGMENTS), width=0.8, orientation="h",
        marker={"color": "#DDDDDD" if importance is None else importance, "colorscale": "Greys",
                "line": {"color": GREY, "width": 0.5}},
        text=list(map(str, range(N_SEGMENTS))), textposition="inside", insidetextanchor="middle", textangle=0,
        customdata=words, hovertemplate="%{customdata}<extra></extra>", row=row, col=1,
    )  # fmt: skip


def _draw_regions(figure: go.Figure, regions: pd.DataFrame, lane: int, row: int) -> None:
    words = [
        f"{shown_type(kind)} {start} to {end}<br>{note}"
        for kind, start, end, note in regions[["Type", "Start", "End", "Note"]].itertuples(index=False)
    ]
    figure.add_bar(
        base=regions["Start"] - 0.5, x=regions["End"] - regions["Start"] + 1, y=np.full(len(regions), lane), width=0.8,
        orientation="h", marker={"color": regions["Colour"]}, text=regions["Note"], textposition="inside",
        insidetextanchor="middle", textangle=0, customdata=words, hovertemplate="%{customdata}<extra></extra>", row=row,
        col=1,
    )  # fmt: skip


def _words(residues: pd.DataFrame, tracks: list[pd.DataFrame], length: int) -> list[str]:
    """What each residue says when it is pointed at."""
    segment = np.repeat(np.arange(N_SEGMENTS), np.diff(segment_bounds(length)))
    found: list[list[str]] = [[] for _ in range(length)]
    for of_lane in tracks:
        for kind, start, end, note in of_lane[["Type", "Start", "End", "Note"]].itertuples(index=False):
            for place in range(start - 1, end):
                found[place].append(f"{shown_type(kind)} {note}".strip())
    words = []
    for place, row in enumerate(residues.itertuples(index=False)):
        measures = [f"{name} {getattr(row, measure, np.nan):+.3g}" for measure, name in PROFILES.items()
                    if np.isfinite(getattr(row, measure, np.nan))]  # fmt: skip
        lines = [f"<b>{row.AminoAcid}{row.Residue}</b>, segment {segment[place]}", *found[place], *measures]
        words.append("<br>".join(lines))
    return words
