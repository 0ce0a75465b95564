"""Parts of the report as JSON: what is stored is what is shown."""

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kedro.io import DatasetError
from reading import read_page

from esm2_amp.io.sections import SectionDataset
from esm2_amp.report import parts
from esm2_amp.report.page import render
from esm2_amp.report.plots import curve_plots
from esm2_amp.report.stored import as_json, from_json

TEXT = st.text(max_size=8)
NUMBER = st.one_of(st.none(), st.integers(-9, 9), st.floats(allow_nan=False, allow_infinity=False), TEXT)
CELL = st.builds(parts.Cell, TEXT, NUMBER, TEXT, TEXT)
PICTURE = st.builds(parts.Picture, TEXT, st.integers(1, 999), st.integers(1, 999), TEXT, TEXT,
                    st.sampled_from(["ink", "scale"]))  # fmt: skip
VALUES = st.recursive(NUMBER, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(TEXT, inner, max_size=2))
PLOT = st.builds(parts.Plot, TEXT, TEXT, st.dictionaries(TEXT, VALUES, max_size=2), st.integers(1, 999), st.booleans())
LEAF = st.one_of(
    st.builds(parts.Paragraph, TEXT),
    st.builds(parts.Points, st.lists(TEXT, max_size=2)),
    st.builds(parts.Facts, st.lists(st.lists(TEXT, min_size=2, max_size=2), max_size=2)),
    st.builds(parts.Settings, TEXT, st.dictionaries(TEXT, VALUES, max_size=2)),
    st.builds(parts.Missing, TEXT, TEXT),
    st.builds(parts.Table, TEXT, st.lists(TEXT, max_size=2), st.lists(st.lists(CELL, max_size=2), max_size=2),
              st.frozensets(TEXT, max_size=2)),
    st.builds(parts.Gallery, st.lists(PICTURE, max_size=2), st.booleans()),
    PLOT,
    st.builds(parts.Plots, st.lists(PLOT, max_size=2)),
)  # fmt: skip
BLOCK = st.recursive(
    LEAF,
    lambda inner: st.one_of(
        *(st.builds(kind, TEXT, st.lists(inner, max_size=2)) for kind in (parts.Group, parts.Folded))
    ),
    max_leaves=4,
)
CAUTIONS = st.lists(TEXT | st.builds(parts.Caution, TEXT, TEXT), max_size=2)
SECTION = st.builds(parts.Section, TEXT, TEXT, st.lists(BLOCK, max_size=3), CAUTIONS)


@given(SECTION)
def test_what_is_stored_comes_back(section):
    found = from_json(json.loads(json.dumps(as_json(section), allow_nan=False)))
    assert found == section
    assert [type(block) for block in found.blocks] == [type(block) for block in section.blocks]


def test_stored_section_is_shown_as_it_would_have_been(tmp_path):
    scored = {"m": pd.DataFrame({"Label": [0, 1], "Probability": [0.2, 0.7]})}
    numbers = parts.number_cells([np.float32(0.5), float("nan"), None, np.int64(3)])
    blocks = [
        parts.table_of("t", {"x": numbers, "name": parts.text_cells(["NA", "<b>", "é", "007"])}),
        parts.Facts([("Seeds", "42")]),
        parts.Settings("All", {"network": {"kind": "amp"}, "sizes": (1, 2)}),
        *curve_plots(scored),
    ]
    section = parts.Section("one", "One", blocks, (parts.Caution("Weak", "A"), "Alone."))
    dataset = SectionDataset(filepath=str(tmp_path / "of/part.json"))
    assert not dataset.exists()
    dataset.save(section)
    assert dataset.exists()
    assert read_page(render("data", [dataset.load()])) == read_page(render("data", [section]))
    assert dataset.load().blocks[0].numbers == {"x"}


def test_a_number_that_json_does_not_know_is_not_written(tmp_path):
    file = tmp_path / "part.json"
    dataset = SectionDataset(filepath=str(file))
    with pytest.raises(Exception, match="not JSON compliant"):
        dataset.save(parts.Section("one", "One", [parts.Settings("s", {"x": float("nan")})]))
    assert not file.exists()


@pytest.mark.parametrize("kept", [0, 0.5, -1])
def test_damaged_part_is_told_by_name(kept, tmp_path):
    file = tmp_path / "part.json"
    dataset = SectionDataset(filepath=str(file))
    dataset.save(parts.Section("id", "Title", [parts.Paragraph("text")]))
    content = file.read_bytes()
    file.write_bytes(content[: kept if kept < 0 else int(kept * len(content))])
    with pytest.raises(DatasetError, match=r"part\.json can't be read .* run the pipeline that wrote it again"):
        dataset.load()
