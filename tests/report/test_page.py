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
    Caution,
    Folded,
    Gallery,
    Group,
    Missing,
    Paragraph,
    Plots,
    Section,
    Settings,
    interval_cells,
    number_cell,
    number_cells,
    picture_of,
    protein_cells,
    table_of,
    text_cells,
    without_white,
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
    for deep in (Group("deep", plots), Plots(plots), Folded("deep", [Plots(plots)])):
        assert page_of(deep).count('id="plotly"') == 1
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
        pixels = on_white(np.asarray(shown.convert("RGBA")).astype(float))
    np.testing.assert_allclose(pixels[0, 0], (0x54, 0x27, 0x88), atol=8)
    np.testing.assert_allclose(pixels[len(pixels) // 2, pixels.shape[1] // 2], (0xE0, 0x82, 0x14), atol=8)


def on_white(pixels):
    ink, alpha = pixels[..., :3], pixels[..., 3:] / 255
    return ink * alpha + 255 * (1 - alpha)


def test_image_without_white_is_the_same_on_white():
    drawn = np.random.default_rng(0).integers(0, 256, (500, 3))
    colours = np.concatenate([drawn, [(255, 255, 255), (0, 0, 0), (254, 255, 255), (255, 0, 0)]]).astype(np.uint8)
    pixels = np.asarray(without_white(Image.fromarray(colours[None]))).astype(float)
    np.testing.assert_allclose(on_white(pixels)[0], colours, atol=1)
    assert ((pixels[0, :, 3] == 0) == (colours == 255).all(axis=1)).all()


def test_every_picture_has_words(tmp_path):
    figure = Figure(figsize=(1, 1))
    figure.subplots()
    dataset = FigureDataset(filepath=str(tmp_path / "figure"))
    dataset.save(figure)
    page = page_of(Gallery([picture_of(dataset.load(), "a square")]))
    assert re.findall(r'<img [^>]*src="data:image[^>]*alt="([^"]*)"', page) == ["a square"]


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


def test_proteins_have_links_and_names_where_they_are_known():
    table = table_of("t", {"Protein": protein_cells(["P01308", "P01308-2", "<b>INS</b>"], {"P01308": "INS_HUMAN"})})
    page = page_of(table)
    assert re.findall(r'<a href="(https://[^"]+)"', page) == ["https://www.uniprot.org/uniprotkb/P01308"] * 2
    _, *rows = read_page(page).tables["t"]
    assert [(" ".join(text.split()), value) for ((text, value),) in rows] == [
        ("P01308 INS_HUMAN", "P01308"), ("P01308-2", "P01308-2"), ("<b>INS</b>", "<b>INS</b>"),
    ]  # fmt: skip


def test_blank_columns_are_left_out():
    table = table_of(
        "t", {"name": text_cells("ab"), "some": number_cells([None, 1.0]), "none": number_cells([None] * 2)}
    )
    assert table.headings == ["name", "some"]
    assert table_of("t", {"name": [], "none": []}).headings == ["name", "none"]


def test_contents_name_chapters_and_the_groups_in_them():
    sections = [Section("a", "A", [Group("one", []), Paragraph("words"), Group("two", [])]), Section("b", "B", [])]
    page = render("data", sections)
    contents = re.findall(r'<a href="#([^"]+)">([^<]+)</a>', page.split("<nav")[1].split("</nav>")[0])
    assert contents == [("a", "A"), ("a-1", "one"), ("a-2", "two"), ("b", "B")]
    for anchor, words in contents:
        assert re.findall(rf'id="{anchor}"[^>]*>([^<]+)<', page) == [words]


def test_cautions_of_a_kind_are_one_line_and_the_first_ones_are_on_top():
    sections = [Section(name, name, [], ["Alone.", Caution("Weak", name)]) for name in "ab"]
    page = render("data", sections, ["Made up."])
    listed = page.split('class="cautions"')[1].split("</section>")[0]
    assert re.findall(r"<li>(.*?)</li>", listed) == ["Made up.", "Alone.", "Weak: a; b."]
