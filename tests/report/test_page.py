"""The page made of parts: what it shows, and that nothing in a user's files can become part of it."""

import re
from base64 import b64decode

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from PIL import Image
from reading import read_page
from sklearn.metrics import roc_auc_score

from esm2_amp.io.figures import FigureDataset
from esm2_amp.report.page import render
from esm2_amp.report.parts import (
    Gallery,
    Group,
    Missing,
    Paragraph,
    Section,
    Settings,
    interval_cells,
    number_cell,
    picture_of,
    table_of,
    text_cells,
)
from esm2_amp.report.plots import curve_plots

HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)>\"'&amp;"


def page_of(*blocks):
    return render("data", [Section("one", "One", blocks)])


def test_hostile_names_are_shown_and_stay_text():
    table = table_of(HOSTILE, {HOSTILE: text_cells([HOSTILE])})
    scored = {HOSTILE: pd.DataFrame({"Label": [0, 1], "Probability": [0.2, 0.7]})}
    blocks = [Paragraph(HOSTILE), table, Settings(HOSTILE, {HOSTILE: HOSTILE}), Missing(HOSTILE, HOSTILE)]
    section = Section("one", HOSTILE, [Group(HOSTILE, blocks), *curve_plots(scored)], [HOSTILE])
    page = render(HOSTILE, [section])
    assert "<script>alert" not in page
    assert "<img src=x" not in page
    shown = read_page(page)
    assert shown.tables[HOSTILE] == [[(f"{HOSTILE}", None)], [(HOSTILE, HOSTILE)]]
    assert shown.text.count("<img src=x onerror=alert(2)>") >= 8


def test_page_has_no_address_to_fetch_from():
    page = page_of(*curve_plots({"m": pd.DataFrame({"Label": [0, 1], "Probability": [0.2, 0.7]})}))
    assert not re.findall(r"(?:https?:)?//[a-z]", re.sub(r"<script type=\"text/plain\".*?</script>", "", page))
    assert not re.findall(r"(?:src|href|url)\s*[=(]\s*[\"']?(?!data:|#)[\w/.]", page)


def test_plotly_is_inside_once_and_only_where_there_is_a_plot():
    plots = curve_plots({"m": pd.DataFrame({"Label": [0, 1], "Probability": [0.2, 0.7]})})
    assert page_of(*plots).count('id="plotly"') == 1
    assert page_of(Group("deep", plots)).count('id="plotly"') == 1
    assert 'id="plotly"' not in page_of(Paragraph("words"))


def test_cells_are_sorted_by_their_numbers_and_missing_ones_have_none():
    values = pd.DataFrame([[0.123456, 0.1, 0.2], [np.nan] * 3, [-0.00001, -0.1, 0.1]])
    table = table_of("t", {"x": interval_cells(values, "z.2f"), "name": text_cells("abc")})
    assert [(cell.text, cell.value, cell.note) for cell, _ in table.rows] == [
        ("0.12", 0.123456, "0.10 to 0.20"), ("–", None, ""), ("0.00", -0.00001, "-0.10 to 0.10"),
    ]  # fmt: skip
    assert table.numbers == {"x"}
    _, *rows = read_page(page_of(table)).tables["t"]
    assert [row[0][1] for row in rows] == ["0.123456", "", "-1e-05"]


def test_undefined_number_is_not_zero():
    assert number_cell(None) == number_cell(float("nan")) != number_cell(0.0)


def test_picture_keeps_colours_and_the_size_it_was_drawn_for(tmp_path):
    figure = Figure(figsize=(3, 2), facecolor="#542788")
    figure.subplots().set_facecolor("#E08214")
    dataset = FigureDataset(filepath=str(tmp_path / "figure"))
    dataset.save(figure)
    picture = picture_of(dataset.load(), "words")
    assert (picture.width, picture.height) == (330, 220)
    data = picture.source.removeprefix("data:image/webp;base64,")
    (tmp_path / "shown.webp").write_bytes(b64decode(data))
    with Image.open(tmp_path / "shown.webp") as shown:
        pixels = np.asarray(shown.convert("RGB")).astype(int)
    np.testing.assert_allclose(pixels[0, 0], (0x54, 0x27, 0x88), atol=8)
    np.testing.assert_allclose(pixels[len(pixels) // 2, pixels.shape[1] // 2], (0xE0, 0x82, 0x14), atol=8)


def test_every_picture_has_words(tmp_path):
    figure = Figure(figsize=(1, 1))
    figure.subplots()
    dataset = FigureDataset(filepath=str(tmp_path / "figure"))
    dataset.save(figure)
    page = page_of(Gallery([picture_of(dataset.load(), "a square")]))
    assert re.findall(r'<img [^>]*alt="([^"]*)"', page) == ["a square"]


def test_headings_go_down_by_one(tmp_path):
    page = page_of(Group("three", [Group("four", [Paragraph("words")])]))
    assert re.findall(r"<h(\d)", page) == ["1", "2", "3", "4"]


def test_named_area_is_that_under_the_drawn_curve():
    generator = np.random.default_rng(0)
    pairs = pd.DataFrame({"Label": generator.integers(0, 2, 50), "Probability": generator.random(50)})
    roc, *_ = curve_plots({"model": pairs})
    area = roc_auc_score(pairs["Label"], pairs["Probability"])
    x, y = (np.asarray(values(roc.figure["data"][0][axis])) for axis in "xy")
    assert np.trapezoid(y, x) == pytest.approx(area, abs=1e-3)
    assert roc.figure["data"][0]["name"] == f"model {area:.3f}"


def test_pairs_of_one_class_have_no_curve():
    roc, *_ = curve_plots({"model": pd.DataFrame({"Label": [1, 1], "Probability": [0.2, 0.7]})})
    assert [trace["name"] for trace in roc.figure["data"]] == ["random"]
    assert "model undefined" in roc.alt


def values(numbers):
    """Numbers as Plotly writes them: as a list, or from release 6 packed."""
    if isinstance(numbers, list):
        return numbers
    return np.frombuffer(b64decode(numbers["bdata"]), dtype=numbers["dtype"])
