"""How much the demonstration's figures change from training to training: whole runs from several seeds.

    python tests/benchmarks/bench_planted_truth.py --folder /tmp/seeds --seeds 42 43 44 45 46 --write
    python tests/benchmarks/bench_planted_truth.py

Each seed is a `kedro run` into a folder of its own, and goes on where a killed one stopped; `--write` stores the
measures. Without a folder nothing is run, and those stored are printed as the table of `.readme/explanations.md`.
"""

import argparse
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
from measuring import report

ROOT = Path(__file__).parents[2]
MEASURED = ROOT / "tests/data/measured/planted_truth.csv"
MODELS = ("ESM2_AMPS", "ESM2_AMP_CSE")
METHODS = {
    "integrated_gradients": "Integrated Gradients",
    "attention": "attention, mean of layers",
    "attention_rollout": "attention rollout",
    "attention_last_layer": "attention, last layer",
}
RESIDUES = {
    ("residues", "Share"): "motif residues among the top 12",
    ("residues, averaged with their neighbours", "Share"): "the same, averaged with their neighbours",
    ("changed sequence", "Share"): "the same, by changing the sequence",
    ("residues", "AtMotif"): "peak within 6 residues of the motif",
}
BY_CHANCE = {"Share": "motif residues, by chance", "AtMotif": "peak, by chance"}
IN_LOGITS = "fall of the logit beyond random windows"


def measures(folder: Path, model: str) -> Iterator[tuple[str, Any]]:
    """Name and value of each measure of a model in a finished run; shares are fractions."""
    compared = pd.read_csv(folder / "model_comparison.csv").set_index("Model")
    yield "AUROC", compared.loc[model, "AUROC"]
    planted = pd.read_csv(folder / model / "explanation/planted_truth.csv").set_index(["Method", "Top"])
    for top, words in ((1, "first"), (3, "among the top 3")):
        for method, name in METHODS.items():
            yield f"{name}, {words}", planted.loc[(method, top), "Rate"]
        yield f"chance, {words}", planted.xs(top, level="Top")["Chance"].iloc[0]
    residues = pd.read_csv(folder / model / "explanation/planted_residues.csv").set_index("Method")
    for (method, column), words in RESIDUES.items():
        yield words, residues.loc[method, column]
    for column, words in BY_CHANCE.items():
        yield words, residues.loc["residues", f"{column}ByChance"]
    deletion = pd.read_csv(folder / model / "explanation/residue_deletion.csv").set_index("Method")
    yield IN_LOGITS, deletion.loc["Attribution", "Difference"]


def table(measured: pd.DataFrame) -> str:
    """The measures in Markdown, a column a model: percent, the median and the range over the seeds."""
    lines = ["| | " + " | ".join(f"`{model}`" for model in MODELS) + " |", "|---" * (len(MODELS) + 1) + "|"]
    for measure, rows in measured.groupby("Measure", sort=False):
        cells = [_range(rows.loc[rows["Model"] == model, "Value"], str(measure)) for model in MODELS]
        lines.append(f"| {measure} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _range(values: pd.Series, measure: str) -> str:
    digits, factor, unit = {"AUROC": (3, 1, ""), IN_LOGITS: (1, 1, "")}.get(measure, (0, 100, " %"))
    median, low, high = (f"{factor * value:.{digits}f}" for value in (values.median(), values.min(), values.max()))
    return f"{median}{unit}" if low == high else f"{median}{unit} ({low}–{high})"


def main() -> None:
    """Run, gather, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--seeds", type=int, nargs="+", default=[42, 43, 44, 45, 46])
    parser.add_argument("--write", action="store_true", help=f"store the measures as {MEASURED.relative_to(ROOT)}")
    given = parser.parse_args()
    if given.folder is None:
        report(table(pd.read_csv(MEASURED)))
        return
    rows = []
    for seed in given.seeds:
        output = given.folder.resolve() / f"seed_{seed}"
        if not (output / "report.html").exists():
            options = f"--params=seed={seed},output={output}"
            subprocess.run([sys.executable, "-m", "kedro", "run", options], cwd=ROOT, check=True)
        rows += [(seed, model, *measure) for model in MODELS for measure in measures(output, model)]
    measured = pd.DataFrame(rows, columns=["Seed", "Model", "Measure", "Value"])
    if given.write:
        MEASURED.parent.mkdir(exist_ok=True)
        measured.to_csv(MEASURED, index=False, float_format="%.6g")
    report(table(measured))


if __name__ == "__main__":
    main()
