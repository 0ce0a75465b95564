"""The report in headless Chromium: it draws, sorts and fits, on a desktop and on a phone."""

import json
import re
import shutil
import subprocess
from html import unescape
from pathlib import Path

import pandas as pd
import pytest

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome"))), None)

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium (Debian's package chromium)")

ERRORS = """<script>
window.errors = [];
addEventListener("error", (event) => errors.push(event.message));
addEventListener("unhandledrejection", (event) => errors.push(String(event.reason)));
for (const level of ["error", "warn"]) console[level] = (...words) => errors.push(words.join(" "));
</script>"""

PROBE = """<script>
const press = (heading) => {
  const button = [...document.querySelectorAll("thead button")].find((found) => found.textContent === heading);
  button.focus();
  button.click();
  const rows = [...button.closest("table").tBodies[0].rows].map((row) => row.cells[0].dataset.value);
  return { rows, sort: button.closest("th").ariaSort, isFocused: document.activeElement === button };
};
const lookOf = (image) => [getComputedStyle(image).filter, getComputedStyle(image).backgroundColor];
const enlarge = (kind) => {
  const small = document.querySelector(`.enlarge img.${kind}`);
  small.parentElement.click();
  const dialog = document.getElementById("enlarged");
  const shown = dialog.querySelector("img");
  const found = { open: dialog.open, same: shown.src === small.src, alt: shown.alt, look: lookOf(shown) };
  dialog.querySelector("button").click();
  return { ...found, closed: !dialog.open };
};
const beside = () => document.querySelector("nav").getBoundingClientRect().right
  <= document.querySelector("main").getBoundingClientRect().left;
const report = () => parent.postMessage({
  errors,
  fetched: performance.getEntriesByType("resource").map((entry) => entry.name).filter((name) => !/^data:/.test(name)),
  beside: beside(),
  pictures: [...document.querySelectorAll(".enlarge img")].map((image) => [image.alt, image.className, lookOf(image)]),
  width: innerWidth, content: document.documentElement.scrollWidth,
  charts: [...document.querySelectorAll(".chart")].map((chart) => [chart, chart.querySelector("svg")].map(
    (element) => element.clientWidth)),
  curves: document.querySelectorAll(".chart .scatterlayer .trace").length,
  text: getComputedStyle(document.body).color, page: getComputedStyle(document.body).backgroundColor,
  enlarged: { ink: enlarge("ink"), scale: enlarge("scale") },
  first: press("AUROC"), second: press("AUROC"), names: press("Model"),
}, "*");
const wait = setInterval(() => {
  if (!document.documentElement.dataset.drawn && !errors.length) return;
  clearInterval(wait);
  requestAnimationFrame(() => setTimeout(report, 300));
}, 50);
</script>"""

FRAME = """<iframe src="report.html" style="border:0;width:{width}px;height:900px"></iframe><pre id="found"></pre>
<script>addEventListener("message", (event) => {{ found.textContent = JSON.stringify(event.data); }});</script>"""
"""A frame is as narrow as it is asked to be; Chromium's window isn't."""


@pytest.fixture(scope="module", params=[375, 1280], ids=["phone", "desktop"])
def width(request):
    return request.param


@pytest.fixture(scope="module", params=["light", "dark"])
def scheme(request):
    return request.param


@pytest.fixture(scope="module")
def found(demonstration_run, width, scheme, tmp_path_factory):
    """What the page says of itself once it is drawn."""
    folder = tmp_path_factory.mktemp("browser")
    page = (demonstration_run.folder / "08_reporting/report.html").read_text(encoding="utf-8")
    page = page.replace("<head>", f"<head>{ERRORS}", 1).replace("</body>", f"{PROBE}</body>")
    (folder / "report.html").write_text(page, encoding="utf-8")
    (folder / "frame.html").write_text(FRAME.format(width=width), encoding="utf-8")
    command = [
        CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={folder}/profile",
        f"--blink-settings=preferredColorScheme={0 if scheme == 'dark' else 1}", "--window-size=1400,1000",
        "--virtual-time-budget=30000", "--dump-dom", (folder / "frame.html").as_uri(),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=180, check=True)
    (words,) = re.findall(r'<pre id="found">(.*?)</pre>', done.stdout, flags=re.DOTALL)
    assert words, f"the page never got drawn: {done.stderr[-2000:]}"
    return json.loads(unescape(words))


def test_nothing_fails_and_nothing_is_fetched(found):
    assert found["errors"] == []
    assert found["fetched"] == []


def test_nothing_is_wider_than_the_screen(found, width):
    assert found["width"] == width
    assert found["content"] <= width
    assert all(drawn <= available <= width for available, drawn in found["charts"])


def test_plots_are_drawn(found):
    assert len(found["charts"]) == 6
    assert found["curves"] > 20


def test_page_follows_the_scheme(found, scheme):
    text, page = (sum(map(int, re.findall(r"\d+", found[name])[:3])) for name in ("text", "page"))
    assert (text > page) == (scheme == "dark")


def test_figure_opens_at_full_size_and_closes(found):
    for enlarged in found["enlarged"].values():
        assert enlarged["open"]
        assert enlarged["same"]
        assert enlarged["closed"]
        assert enlarged["alt"]


def test_contents_stand_beside_the_text_where_there_is_room(found, width):
    assert found["beside"] == (width > 1100)


NOTHING = ["none", "rgba(0, 0, 0, 0)"]
LOOKS = {
    "light": {"ink": NOTHING, "scale": NOTHING},
    "dark": {"ink": ["invert(1) hue-rotate(180deg)", NOTHING[1]], "scale": ["none", "rgb(255, 255, 255)"]},
}


def test_ink_of_figures_is_light_on_a_dark_page_and_colours_that_are_values_stay(found, scheme):
    for _, colours, look in found["pictures"]:
        assert look == LOOKS[scheme][colours]
    for colours, enlarged in found["enlarged"].items():
        assert enlarged["look"] == LOOKS[scheme][colours]


def test_colours_of_maps_are_values_and_those_of_lines_and_bars_are_ink(found):
    beginnings = {
        "scale": ["Heat maps of attention", "Map of ", "Coverage of segments in bins", "Rank correlations between",
                  "ROC and precision-recall curves, confusion matrix", "Pairs of each protein"],
        "ink": ["Loss and MCC of", "Bars of", "Share of segments", "Deletion and insertion", "Control with random",
                "How often the top tokens", "Coverage of top and low segments"],
    }  # fmt: skip
    for colours, words in beginnings.items():
        for beginning in words:
            assert {kind for alt, kind, _ in found["pictures"] if alt.startswith(beginning)} == {colours}, beginning


def test_buttons_sort_the_table(found, demonstration_run):
    table = pd.read_csv(Path(demonstration_run.folder) / "08_reporting/model_comparison.csv")
    names = table["Model"].where(table["Kind"] == "model", table["Model"].str.replace("_", " "))
    auroc = dict(zip(names, table["AUROC"], strict=True))
    largest_first = [auroc[name] for name in found["first"]["rows"]]
    assert sorted(found["first"]["rows"]) == sorted(names)
    assert largest_first == sorted(largest_first, reverse=True)
    assert [auroc[name] for name in found["second"]["rows"]] == sorted(largest_first)
    assert found["names"]["rows"] == sorted(names, key=str.lower)
    assert [found[press]["sort"] for press in ("first", "second", "names")] == ["descending", "ascending", "ascending"]
    assert found["first"]["isFocused"]
