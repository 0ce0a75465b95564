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
RESIDUES = {"Share": "motif residues among the top 12", "AtMotif": "peaks within 6 residues of the motif"}


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
    for column, words in RESIDUES.items():
        yield words, residues.loc["residues", column]
        yield f"chance, {words}", residues.loc["residues", f"{column}ByChance"]


def table(measured: pd.DataFrame) -> str:
    """The measures in Markdown, a column a model: percent, the median and the range over the seeds."""
    lines = ["| | " + " | ".join(f"`{model}`" for model in MODELS) + " |", "|---" * (len(MODELS) + 1) + "|"]
    for measure, rows in measured.groupby("Measure", sort=False):
        cells = [_range(rows.loc[rows["Model"] == model, "Value"], str(measure)) for model in MODELS]
        lines.append(f"| {measure} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _range(values: pd.Series, measure: str) -> str:
    if measure == "AUROC":
        return f"{values.median():.3f} ({values.min():.3f}–{values.max():.3f})"
    median, low, high = (f"{100 * value:.0f}" for value in (values.median(), values.min(), values.max()))
    return f"{median} %" if low == high else f"{median} % ({low}–{high})"


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
