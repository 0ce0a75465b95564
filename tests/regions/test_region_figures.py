"""What the figures of regions show."""

import itertools

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.collections import PolyCollection
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.patches import Wedge
from matplotlib.text import Text

from esm2_amp.explanation.results import importance_table
from esm2_amp.figures.palette import COLOURS
from esm2_amp.files import SourceTable
from esm2_amp.parameters.functional_regions import RegionParameters
from esm2_amp.regions import figures
from esm2_amp.regions.charts import group_charts, pair_maps
from esm2_amp.regions.coverage import coverage
from esm2_amp.regions.enrichment import enrichment
from esm2_amp.regions.labels import place_labels
from esm2_amp.regions.protein_map import PairMap, lanes, protein_map
from esm2_amp.regions.segments import rank_segments, read_segments

REGIONS = pd.DataFrame(
    [("P", "Domain", 1, 10, "first segment"), ("P", "Domain", 11, 15, "half"), ("P", "Domain", 31, 31, "tenth"),
     ("P", "Motif", 95, 100, "a note much too long for a region of six residues")],
    columns=["Entry", "Type", "Start", "End", "Note"],
)  # fmt: skip
MEASURED = coverage(REGIONS, ["P", "Q"], [100, 50], ["Domain", "Motif"])


@pytest.fixture
def segments():
    """Of two pairs; the ranks of Top are covered by domains fully, by half and by a tenth."""
    ranked = ["A_segment0", "A_segment1", "A_segment3"]
    tables = {}
    for selection, tokens in (("Top", ranked), ("Low", ["B_segment0", "B_segment1", "B_segment2"])):
        columns = {f"{selection}{rank}": token for rank, token in enumerate(tokens, start=1)}
        frame = pd.DataFrame({"ProteinA": ["P", "P"], "ProteinB": ["Q", "Q"], **columns})
        tables[selection] = SourceTable(frame, "segments.csv")
    return read_segments(tables, 3, "1-1")


@given(st.integers(0, 200), st.integers(1, 200))
def test_bin_of_a_coverage(covered, residues):
    covered = min(covered, residues)
    found = figures.coverage_bins(np.array([[covered]]), np.array([residues]))[0, 0]
    assert 10 * covered <= found * residues
    assert found == 0 or 10 * covered > (found - 1) * residues


def test_each_ring_of_a_donut_is_its_own_rank(segments):
    """The published chart drew rank 2 twice and rank 3 never."""
    figure = figures.donut_figure(segments, MEASURED, "title")
    domain = next(axes for axes in figure.axes if axes.get_title() == "Domain")
    full = [patch for patch in domain.patches if isinstance(patch, Wedge) and patch.theta2 - patch.theta1 > 359]
    colours = [to_hex(wedge.get_facecolor()) for wedge in sorted(full, key=lambda wedge: wedge.r)]
    assert colours == [to_hex(figures._BIN_COLOURS[number]) for number in (10, 5, 1)]


def drawn_texts(figure: Figure) -> list[Text]:
    return [text for text in figure.findobj(Text) if text.get_text().strip() and text.get_visible()]


def test_no_text_is_smaller_than_7_points(segments):
    table = enrichment(segments, MEASURED, permutations=100, replicates=100, level=0.05, seed=0)
    pair = PairMap(("P", "Q"), (100, 50), segments[segments["Pair"] == 0], REGIONS, ["Domain", "Motif"], None, "P-Q")
    for figure in (
        figures.donut_figure(segments, MEASURED, "title"),
        figures.distribution_figure(segments, MEASURED, "title"),
        figures.enrichment_figure(table, 0.05, "title"),
        protein_map(pair),
    ):
        figure.canvas.draw()
        assert min(text.get_fontsize() for text in drawn_texts(figure)) >= 7


def test_map_marks_ranks_and_writes_every_note(segments):
    tokens = [f"{side}_segment{s}" for side in "AB" for s in range(10)]
    importance = pd.Series(np.linspace(0, 1, 20), index=tokens)
    pair = PairMap(
        ("P", "Q"), (100, 50), segments[segments["Pair"] == 0], REGIONS, ["Domain", "Motif"], importance, "P-Q",
        unit="share of all", names=("INS_HUMAN", ""),
    )  # fmt: skip
    texts = {text.get_text() for text in drawn_texts(protein_map(pair))}
    assert {"top 1", "top 2", "top 3", "low 1", "low 2", "low 3"} <= texts
    assert {"A: P, INS_HUMAN (100 residues)", "B: Q (50 residues)", "no annotated regions", "Residue"} <= texts
    assert set(REGIONS["Note"]) <= texts
    assert "Importance of a segment\nshare of all" in texts


def test_both_proteins_have_the_same_scale(segments):
    figure = protein_map(pair_of(segments, None))
    first, second = figure.axes[:2]
    assert first.get_xlim() == second.get_xlim() == (0.5, 100.5)
    assert max(second.get_xticks()) <= 50 < max(first.get_xticks())


REGION = st.tuples(st.integers(1, 300), st.integers(0, 80), st.text("abc ", max_size=60))


@given(st.lists(REGION, max_size=12), st.floats(0.5, 6))
def test_regions_and_their_names_lie_within_the_map_and_none_over_another(drawn, letter):
    """Each text and each region as a rectangle of its lane: no two of them meet."""
    regions = sorted((start - 0.5, min(start + size, 300) + 0.5, note) for start, size, note in drawn)
    placed, lanes_needed = place_labels([(a, b) for a, b, _ in regions], [n for *_, n in regions], letter, (0.5, 300.5))
    taken = []
    for (start, end, note), label in zip(regions, placed, strict=True):
        taken.append((label.lane, start, end))
        assert label.text == note or (label.text.endswith("…") and (len(note) + 1) * letter > 300)
        width = len(label.text) * letter
        left = label.x - {"left": 0, "center": width / 2, "right": width}[label.align]
        assert left >= 0.5 - 1e-9
        assert left + width <= 300.5 + 1e-9
        if label.is_inside:
            assert start - 1e-9 <= left
            assert left + width <= end + 1e-9
        elif label.text:
            taken.append((label.text_lane, left, left + width))
        assert 0 <= label.text_lane <= label.lane < lanes_needed
    for (lane, start, end), (other, first, last) in itertools.combinations(taken, 2):
        assert lane != other or start >= last - 1e-9 or first >= end - 1e-9


def test_strongest_pairs_are_drawn_and_named_with_probability_and_method():
    importance = np.random.default_rng(0).random((3, 20))
    pairs = pd.DataFrame({"Protein1": ["P", "Q", "P"], "Protein2": ["P", "Q", "Q"], "Probability": [0.2, 0.9, 0.7],
                          "Label": [1, 0, 1], "Prediction": [0, 1, 1]})  # fmt: skip
    table = importance_table(pairs, importance, slice(1, 11))
    proteins = pd.DataFrame({"Entry": ["P", "Q"], "Length": [100, 50], "Name": ["INS_HUMAN", ""]})
    chosen = parameters_of(maps=2, explained_model="ESM2_AMPS")
    report = {"types": ["Domain"]}
    maps = pair_maps(rank_segments(table, 1), REGIONS, proteins, report, table, chosen, ("Rollout", "share of all"))
    assert list(maps) == ["Q-Q", "P-Q"]
    title = maps["P-Q"].get_suptitle()
    assert title == "P-Q of data: interacting, called interacting, probability 0.700\nESM2_AMPS explained by Rollout"
    assert "A: P, INS_HUMAN (100 residues)" in {text.get_text() for text in drawn_texts(maps["P-Q"])}


def test_groups_of_too_few_pairs_have_no_figures(segments):
    table = enrichment(segments, MEASURED, permutations=100, replicates=100, level=0.05, seed=0)
    proteins = pd.DataFrame({"Entry": ["P", "Q"], "Length": [100, 50]})
    report = {"types": ["Domain", "Motif"]}
    for fewest, drawn in ((2, {"1-1"}), (3, set())):
        charts = group_charts(segments, REGIONS, proteins, report, table, parameters_of(fewest_pairs=fewest))
        assert set(charts.donuts) == set(charts.distributions) == set(charts.enrichment) == drawn
    words = group_charts(segments, REGIONS, proteins, report, table, parameters_of()).donuts["1-1"].get_suptitle()
    assert words == "2 pairs (interacting, called interacting) of data"


def parameters_of(**changes):
    usual = {"explained_model": "m", "explained_by": "auto", "types": None, "ranks": 3, "thresholds": [50],
             "group": "all", "fewest_pairs": 1, "unannotated": "count", "length_mismatch": "stop",
             "malformed": "report", "permutations": 100, "replicates": 100, "level": 0.05, "map_pairs": None,
             "maps": 3, "data_name": "data"}  # fmt: skip
    return RegionParameters(**usual | changes)


@pytest.fixture
def residues():
    """What is added rises along both proteins from below 0; the sequence of A wasn't changed."""
    parts = [
        pd.DataFrame({"Side": side, "Residue": np.arange(1, length + 1), "AminoAcid": list("MKVLA" * (length // 5)),
                      "Attribution": np.linspace(-0.2, 0.4, length), "ScanEffect": effect})
        for side, length, effect in (("A", 100, np.nan), ("B", 50, 3.0))
    ]  # fmt: skip
    return pd.concat(parts, ignore_index=True)


def pair_of(segments, residues):
    of_pair = segments[segments["Pair"] == 0]
    return PairMap(("P", "Q"), (100, 50), of_pair, REGIONS, ["Domain", "Motif"], None, "P-Q", residues)


def test_map_has_a_profile_of_each_measure_above_the_segments(segments, residues):
    plain, figure = protein_map(pair_of(segments, None)), protein_map(pair_of(segments, residues))
    assert figure.get_figheight() > plain.get_figheight()
    names = [[label.get_text() for label in axes.get_yticklabels()] for axes in figure.axes[:2]]
    assert names[0][-2:] == names[1][-2:] == ["Residues", "Changed sequence"]
    figure.canvas.draw()
    assert min(text.get_fontsize() for text in drawn_texts(figure)) >= 7
    assert len(protein_map(pair_of(segments, residues.drop(columns="ScanEffect"))).axes[0].collections) < len(
        figure.axes[0].collections
    )


def test_profiles_have_their_height_and_stand_over_their_residues(segments, residues):
    axes = protein_map(pair_of(segments, residues.drop(columns="ScanEffect"))).axes[0]
    colours = {name: colour.lower() for name, colour in zip(("up", "down"), COLOURS, strict=False)}
    zero = axes.get_yticks()[-1]
    points = {}
    for part in axes.collections:
        corners = np.concatenate([path.vertices for path in part.get_paths()] or [np.empty((0, 2))])
        if isinstance(part, PolyCollection) and len(corners) and corners[:, 1].max() < -1.1:  # above the segments
            points[to_hex(part.get_facecolor()[0])] = corners
    up, down = (points[colours[name]] for name in ("up", "down"))
    for corners in (up, down):
        assert corners[:, 0].min() >= 0.5
        assert corners[:, 0].max() <= 100.5
    # 0.4 against 0.2, upwards where y falls
    assert zero - up[:, 1].min() == pytest.approx(2 * (down[:, 1].max() - zero))
    assert up[up[:, 1].argmin(), 0] >= 99.5
    assert down[down[:, 1].argmax(), 0] <= 1.5


def test_map_of_a_model_without_segments_has_residues_alone(segments, residues):
    figure = protein_map(pair_of(segments[:0], residues))
    assert "Residues" in {text.get_text() for text in drawn_texts(figure)}


@given(st.lists(st.tuples(st.integers(1, 50), st.integers(0, 20)), max_size=15))
def test_lanes_keep_overlapping_regions_apart(intervals):
    regions = sorted((start, start + size) for start, size in intervals)
    found = lanes([start for start, _ in regions], [end for _, end in regions])
    residues = [
        (lane, residue) for lane, (start, end) in zip(found, regions, strict=True) for residue in range(start, end + 1)
    ]
    assert len(set(residues)) == len(residues)
    # no more lanes than the deepest overlap needs
    depth = [sum(start <= residue <= end for start, end in regions) for residue in range(1, 72)]
    assert max(found, default=-1) + 1 == max(depth, default=0)
