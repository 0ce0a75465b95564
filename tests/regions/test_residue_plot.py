"""What the interactive map of a pair holds."""

import json

import numpy as np
import pandas as pd
import pytest

from esm2_amp.regions.protein_map import PairMap
from esm2_amp.regions.residue_plot import residue_plot

SEQUENCES = {"P": "MKVLAGSTRE" * 2, "Q": "ACDEFGHIKLMN"}
REGIONS = pd.DataFrame(
    [("P", "Domain", 3, 12, "SH3"), ("P", "Domain", 8, 15, "PDZ"), ("P", "Motif", 9, 9, "")],
    columns=["Entry", "Type", "Start", "End", "Note"],
)
IMPORTANCE = pd.Series(
    np.arange(24.0),
    index=[f"{side}_{token}" for side in "AB" for token in ("cls", *(f"segment{s}" for s in range(10)), "eos")],
)


def pair_of(importance=IMPORTANCE, **changed) -> PairMap:
    parts = [
        pd.DataFrame({"Side": side, "Residue": np.arange(1, len(sequence) + 1), "AminoAcid": list(sequence),
                      "Attribution": np.linspace(-0.5, 1, len(sequence)), "ScanEffect": 0.25} | changed)
        for side, sequence in zip("AB", SEQUENCES.values(), strict=True)
    ]  # fmt: skip
    lengths = (len(SEQUENCES["P"]), len(SEQUENCES["Q"]))
    residues = pd.concat(parts, ignore_index=True)
    return PairMap(("P", "Q"), lengths, pd.DataFrame(), REGIONS, ["Domain", "Motif"], importance, "P-Q", residues)


def bars(figure, orientation):
    return [trace for trace in figure.data if trace.type == "bar" and (trace.orientation or "v") == orientation]


def test_pointing_at_a_residue_shows_what_is_known_of_it():
    figure = residue_plot(pair_of())
    of_a = [trace for trace in bars(figure, "v") if len(trace.x) == 20]
    assert len(of_a) == 3  # two measures and the sequence
    for trace in of_a:
        assert list(trace.x) == list(range(1, 21))
        assert trace.customdata[8] == (
            "<b>R9</b>, segment 4<br>Domain SH3<br>Domain PDZ<br>Motif<br>Residues +0.132<br>Changed sequence +0.25"
        )
        assert trace.customdata[0] == "<b>M1</b>, segment 0<br>Residues -0.5<br>Changed sequence +0.25"


def test_letters_of_both_sequences_stand_at_their_residues():
    figure = residue_plot(pair_of())
    letters = [trace for trace in figure.data if trace.type == "scatter"]
    assert ["".join(trace.text) for trace in letters] == list(SEQUENCES.values())
    assert [list(trace.x) for trace in letters] == [list(range(1, 21)), list(range(1, 13))]
    assert [trace.visible for trace in letters] == [True, True]
    for listed, trace in zip(figure.layout.meta["letters"], letters, strict=True):
        assert figure.data[listed["trace"]] == trace
        assert figure.layout[listed["axis"]].range == (0.5, len(trace.x) + 0.5)


def test_letters_of_a_long_protein_are_hidden_until_it_is_zoomed():
    long = pair_of()._replace(lengths=(400, 12))
    residues = pd.DataFrame({"Side": "A", "Residue": np.arange(1, 401), "AminoAcid": "A", "Attribution": 0.1,
                             "ScanEffect": np.nan})  # fmt: skip
    of_b = long.residues[long.residues["Side"] == "B"]
    figure = residue_plot(long._replace(residues=pd.concat([residues, of_b])))
    assert [trace.visible for trace in figure.data if trace.type == "scatter"] == [False, True]


def test_bars_have_the_values_and_a_colour_by_their_sign():
    values, changed, _ = [trace for trace in bars(residue_plot(pair_of()), "v") if len(trace.x) == 12]
    np.testing.assert_allclose(values.y, np.linspace(-0.5, 1, 12))
    assert len(set(values.marker.color[:4])) == 1
    assert values.marker.color[0] != values.marker.color[-1]
    assert set(changed.y) == {0.25}


def test_regions_and_segments_cover_their_residues():
    tracks = [(list(trace.base), list(trace.x), list(trace.y)) for trace in bars(residue_plot(pair_of()), "h")]
    segments, first_domain, second_domain, motif, others = tracks
    np.testing.assert_allclose(segments[0], np.arange(10) * 2 + 0.5)
    assert segments[1] == [2] * 10
    assert first_domain == ([2.5], [10], [1])
    assert second_domain == ([7.5], [8], [2])  # a lane of its own: it overlaps the first
    assert motif == ([8.5], [1], [3])
    assert others[1] == [2, 2, *[1] * 8]


def test_segments_are_shaded_by_importance_where_it_is_known():
    shaded, plain = (bars(residue_plot(pair_of(importance)), "h")[0] for importance in (IMPORTANCE, None))
    assert list(shaded.marker.color) == list(range(1, 11))
    assert "importance 3" in shaded.customdata[2]
    assert plain.marker.color == "#DDDDDD"
    of_means = IMPORTANCE[:2].set_axis(["A_mean", "B_mean"])
    assert bars(residue_plot(pair_of(of_means)), "h")[0].marker.color == "#DDDDDD"


def test_without_a_scan_there_is_no_panel_of_it():
    with_scan, without = residue_plot(pair_of()), residue_plot(pair_of(ScanEffect=np.nan))
    assert len(without.data) == len(with_scan.data) - 2
    assert without.layout.height < with_scan.layout.height
    assert "Changed sequence" not in without.to_json()


def test_panels_of_a_protein_zoom_together_and_those_of_the_other_apart():
    layout = json.loads(residue_plot(pair_of()).to_json())["layout"]
    matched = [layout[f"xaxis{number if number > 1 else ''}"].get("matches") for number in range(1, 9)]
    assert matched[1:4] == ["x"] * 3
    assert matched[5:] == ["x5"] * 3
    assert matched[4] in (None, "x5")
    ranges = [layout[f"xaxis{number if number > 1 else ''}"]["range"] for number in range(1, 9)]
    assert ranges == [[0.5, 20.5]] * 4 + [[0.5, 12.5]] * 4


def test_pair_without_residues_is_a_mistake_in_the_code():
    with pytest.raises(ValueError, match="residues must be given"):
        residue_plot(pair_of()._replace(residues=None))
