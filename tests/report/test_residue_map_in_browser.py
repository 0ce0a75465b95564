"""The interactive map of a pair in headless Chromium: letters appear where they are zoomed, hover tells all."""

import numpy as np
import pandas as pd
import pytest

from browser import needs_chromium, open_page
from esm2_amp.regions.protein_map import PairMap
from esm2_amp.regions.residue_plot import residue_plot
from esm2_amp.report.page import render
from esm2_amp.report.parts import Section, plot_of

pytestmark = needs_chromium

LENGTHS = (600, 90)
LETTERS = "ACDEFGHIKLMNPQRSTVWY"
REGIONS = pd.DataFrame([("P", "Domain", 41, 60, "SH3")], columns=["Entry", "Type", "Start", "End", "Note"])

SHOWN = """[...document.querySelectorAll(".chart .textpoint text")].map((text) => text.textContent).join("")"""


def sequence_of(length):
    return (LETTERS * 30)[:length]


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    folder = tmp_path_factory.mktemp("map")
    residues = [
        pd.DataFrame({"Side": side, "Residue": np.arange(1, length + 1), "AminoAcid": list(sequence_of(length)),
                      "Attribution": np.linspace(-0.5, 1, length), "ScanEffect": 0.25})
        for side, length in zip("AB", LENGTHS, strict=True)
    ]  # fmt: skip
    figure = residue_plot(
        PairMap(("P", "Q"), LENGTHS, pd.DataFrame(), REGIONS, ["Domain"], None, "", pd.concat(residues))
    )
    plot = plot_of(figure, "Residues", "words", height=int(figure.layout.height), is_wide=True)
    (folder / "page.html").write_text(render("data", [Section("one", "One", [plot])]), encoding="utf-8")
    with open_page(folder / "profile", width=1280) as page:
        page.go_to((folder / "page.html").as_uri())
        page.wait_for("document.documentElement.dataset.drawn", 60)
        page.evaluate("window.chart = document.querySelector('.chart'); true")
        yield page


def zoom(page, change):
    page.evaluate(f"Plotly.relayout(chart, {change}).then(() => {{ window.zoomed = (window.zoomed ?? 0) + 1; }}); true")
    page.wait_for("window.zoomed")
    page.evaluate("window.zoomed = 0")


def test_letters_are_shown_where_the_reader_zooms(page):
    page.wait_for(f"{SHOWN} === '{sequence_of(90)}'")  # the short protein has room, the long one none
    zoom(page, "{'xaxis.range': [40.5, 100.5]}")
    page.wait_for(f"{SHOWN}.includes('{sequence_of(100)[40:]}')")
    zoom(page, "{'xaxis.autorange': false, 'xaxis.range': [0.5, 600.5]}")
    page.wait_for(f"{SHOWN} === '{sequence_of(90)}'")


def test_pointing_at_a_residue_shows_its_region_and_both_measures(page):
    page.evaluate("Plotly.Fx.hover(chart, [{ curveNumber: 0, pointNumber: 49 }], 'xy'); true")
    page.wait_for("document.querySelector('.hoverlayer .hovertext')")
    words = page.evaluate("document.querySelector('.hoverlayer').textContent")
    for expected in ("L50, segment 0", "Domain SH3", "Residues -0.377", "Changed sequence +0.25"):
        assert expected in words


def test_map_takes_the_width_of_the_page_and_says_nothing_to_the_console(page):
    assert page.evaluate("chart.clientWidth >= document.querySelector('main').clientWidth - 80")
    assert page.console == []
