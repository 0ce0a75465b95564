"""Time of coverage and hit rates: ours beside row-by-row pandas in the published style.

    python tests/benchmarks/bench_region_coverage.py

2,000 pairs with 6 ranked segments each, 5 types of regions and their union. Both ways begin with the same tables in
memory (a tidy one for us, the published `Domain[5,88]: …` cells for the other) and end with the same hit rates, which
are compared. Ours takes the median of several runs; reading files is part of neither.
"""

import argparse
import re
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from measuring import report

from esm2_amp.files import SourceTable
from esm2_amp.protein import segment_bounds
from esm2_amp.regions.coverage import coverage
from esm2_amp.regions.hit_rates import hit_rates
from esm2_amp.regions.segments import SELECTIONS, read_segments

TYPES = ["Domain", "Region", "Compositional bias", "Repeat", "Motif"]
LONGEST = {"Domain": 250, "Region": 200, "Compositional bias": 40, "Repeat": 60, "Motif": 10}
THRESHOLDS = [25, 50, 75]
RANKS = 3


def random_proteins(count: int, generator: np.random.Generator) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Lengths and annotations of proteins: one row a protein as published, and one row a region."""
    lengths = generator.integers(100, 1500, count)
    rows, tidy = [], []
    for number, length in enumerate(lengths.tolist()):
        entry, cells = f"P{number:05}", {}
        for kind in TYPES:
            regions = []
            for _ in range(generator.integers(0, 5)):
                start = int(generator.integers(1, length + 1))
                end = min(length, start + int(generator.integers(0, LONGEST[kind])))
                regions.append(f'{kind}[{start},{end}]: /note="{kind}"')
                tidy.append((entry, kind, start, end))
            cells[kind] = "; ".join(regions) or np.nan
        rows.append({"Entry": entry, "Length": length, **cells})
    return pd.DataFrame(rows), pd.DataFrame(tidy, columns=["Entry", "Type", "Start", "End"])


def random_tables(entries: pd.Series, pairs: int, generator: np.random.Generator) -> dict[str, pd.DataFrame]:
    """Ranked segments in the published layout."""
    a, b = generator.integers(len(entries), size=(2, pairs))
    tokens = np.array([f"{side}_segment{segment}" for side in "AB" for segment in range(10)])
    chosen = np.stack([generator.permutation(tokens)[: 2 * RANKS] for _ in range(pairs)])
    tables = {}
    for part, selection in enumerate(SELECTIONS):
        table = pd.DataFrame({"ProteinA": entries[a].to_numpy(), "ProteinB": entries[b].to_numpy()})
        for rank in range(RANKS):
            table[f"{selection}{rank + 1}"] = chosen[:, RANKS * part + rank]
        tables[selection] = table
    return tables


def vectorised(proteins: pd.DataFrame, tidy: pd.DataFrame, tables: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Ours."""
    sources = {selection: SourceTable(table, "random") for selection, table in tables.items()}
    segments = read_segments(sources, RANKS, "1-1")
    measured = coverage(tidy, proteins["Entry"].tolist(), proteins["Length"].to_numpy(), TYPES)
    return hit_rates(segments, measured, THRESHOLDS)


def row_by_row(proteins: pd.DataFrame, tables: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Pair by pair, rank by rank and type by type: look up the protein's row, take its cell apart, count residues."""
    rates = []
    for selection, table in tables.items():
        shares: dict[str, list[list[float]]] = {kind: [] for kind in [*TYPES, "ALL"]}
        for _, pair in table.iterrows():
            of_pair: dict[str, list[float]] = {kind: [] for kind in shares}
            for rank in range(1, RANKS + 1):
                token = pair[f"{selection}{rank}"]
                entry = pair["ProteinA"] if token.startswith("A") else pair["ProteinB"]
                row = proteins[proteins["Entry"] == entry].iloc[0]
                bounds = segment_bounds(row["Length"])
                segment = int(token[-1])
                residues = set(range(bounds[segment] + 1, bounds[segment + 1] + 1))
                everything: set[int] = set()
                for kind in TYPES:
                    covered: set[int] = set()
                    if isinstance(row[kind], str):
                        for start, end in re.findall(r"\[(\d+),(\d+)\]", row[kind]):
                            covered |= residues & set(range(int(start), int(end) + 1))
                    of_pair[kind].append(100 * len(covered) / len(residues))
                    everything |= covered
                of_pair["ALL"].append(100 * len(everything) / len(residues))
            for kind, covered_percent in of_pair.items():
                shares[kind].append(covered_percent)
        for threshold in THRESHOLDS:
            for kind, values in shares.items():
                hit = np.array(values) >= threshold
                rates.append(("1-1", selection, threshold, kind, *100 * hit.mean(axis=0), 100 * hit.any(axis=1).mean()))
    of_ranks = ["Rank1Percent", "Rank2Percent", "Rank3Percent", "AnyRankPercent"]
    return pd.DataFrame(rates, columns=["Group", "Selection", "ThresholdPercent", "RegionType", *of_ranks])


def timed(work: Callable[..., pd.DataFrame], *arguments: Any) -> tuple[float, pd.DataFrame]:
    """Seconds of the processor, and what came out."""
    start = time.process_time()
    result = work(*arguments)
    return time.process_time() - start, result


def main() -> None:
    """Print both times and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=2000)
    parser.add_argument("--proteins", type=int, default=1500)
    parser.add_argument("--runs", type=int, default=5)
    arguments = parser.parse_args()
    generator = np.random.default_rng(0)
    proteins, tidy = random_proteins(arguments.proteins, generator)
    tables = random_tables(proteins["Entry"], arguments.pairs, generator)
    runs = [timed(vectorised, proteins, tidy, tables) for _ in range(arguments.runs)]
    ours = statistics.median(seconds for seconds, _ in runs)
    published, expected = timed(row_by_row, proteins, tables)
    pd.testing.assert_frame_equal(runs[0][1], expected, check_dtype=False)
    report(f"{arguments.pairs:,} pairs x {2 * RANKS} segments x {len(TYPES)} types: "
           f"row by row {published:.2f} s, ours {ours:.4f} s, ratio {published / ours:.0f}")  # fmt: skip


if __name__ == "__main__":
    main()
