"use strict";

// Sorting: a column's button sorts its table by the cells' data-value; empty values stay last.
function compare(a, b, isNumber, descending) {
  if (a === "" || b === "") return (a === "") - (b === "");
  const order = isNumber ? Number(a) - Number(b) : a.localeCompare(b);
  return descending ? -order : order;
}

document.querySelectorAll("thead button").forEach((button) => {
  button.addEventListener("click", () => {
    const heading = button.closest("th");
    const isNumber = heading.classList.contains("number");
    const now = heading.getAttribute("aria-sort");
    // numbers are wanted largest first, names from A
    const descending = now === null ? isNumber : now === "ascending";
    const body = heading.closest("table").tBodies[0];
    const value = (row) => row.cells[heading.cellIndex].dataset.value;
    const rows = [...body.rows].sort((a, b) => compare(value(a), value(b), isNumber, descending));
    heading.parentElement.querySelectorAll("th").forEach((other) => other.removeAttribute("aria-sort"));
    heading.setAttribute("aria-sort", descending ? "descending" : "ascending");
    body.append(...rows);
  });
});

// A figure opens at its full size in a dialog, which Escape closes.
const enlarged = document.getElementById("enlarged");
document.querySelectorAll(".enlarge").forEach((button) => {
  button.addEventListener("click", () => {
    const small = button.querySelector("img");
    Object.assign(enlarged.querySelector("img"), { src: small.src, alt: small.alt, className: small.className });
    enlarged.showModal();
  });
});
enlarged.addEventListener("click", (event) => {
  if (event.target.closest("button") || event.target === enlarged) enlarged.close();
});

// The contents beside the text show the parts of the chapter that is read.
const chapters = new IntersectionObserver((entries) => {
  entries.filter((entry) => entry.isIntersecting).forEach((entry) => {
    const id = entry.target.getAttribute("aria-labelledby");
    document.querySelectorAll("nav > ul > li").forEach((item) => {
      item.classList.toggle("current", item.querySelector("a").hash === `#${id}`);
    });
  });
}, { rootMargin: "-20% 0px -70% 0px" });
document.querySelectorAll("main > section:not(.cautions)").forEach((section) => chapters.observe(section));

// Plotly lies packed at the end of the page.
async function unpacked(text) {
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).text();
}

// Letters of sequences are shown where each has room, as the reader zooms.
function showLetters(chart) {
  const { letters = [] } = chart.layout.meta ?? {};
  letters.forEach(({ trace, axis, pixels }) => {
    const { l, r } = chart.layout.margin;
    const [first, last] = chart.layout[axis].range;
    const hasRoom = (chart.clientWidth - l - r) / (last - first) >= pixels;
    if (chart.data[trace].visible !== hasRoom) Plotly.restyle(chart, { visible: hasRoom }, [trace]);
  });
}

// On paper, where the panels of a wide figure would be too low to be read in the height of the others.
const highest = (chart) => (chart.closest(".wide") ? 900 : 400);

async function draw() {
  const packed = document.getElementById("plotly");
  if (!packed) return;
  const script = document.createElement("script");
  script.textContent = await unpacked(packed.textContent);
  document.head.append(script);
  const charts = [...document.querySelectorAll(".chart")];
  await Promise.all(charts.map((chart) => {
    const { data, layout } = JSON.parse(chart.firstElementChild.textContent);
    return Plotly.newPlot(chart, data, layout, { displayModeBar: false });
  }));
  charts.forEach((chart) => {
    chart.on("plotly_relayout", () => showLetters(chart));
    showLetters(chart);
  });
  const sizes = new ResizeObserver((entries) => entries.forEach((entry) => Plotly.Plots.resize(entry.target)));
  charts.forEach((chart) => sizes.observe(chart));
  window.addEventListener("beforeprint", () => charts.forEach((chart) => {
    const width = chart.closest(".plots") ? 330 : 640;
    Plotly.relayout(chart, { width, height: Math.min(chart.clientHeight, highest(chart)) });
  }));
  window.addEventListener("afterprint", () => charts.forEach(
    (chart) => Plotly.relayout(chart, { autosize: true, width: null, height: null })));
  document.documentElement.dataset.drawn = charts.length;
}

document.addEventListener("DOMContentLoaded", () => {
  draw().catch((error) => {
    document.querySelectorAll(".chart").forEach((chart) => {
      chart.textContent = `This browser can't draw the plot (${error.message}); the tables hold its numbers.`;
    });
  });
});
