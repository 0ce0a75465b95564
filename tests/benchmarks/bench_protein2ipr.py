"""Time and peak memory of reading a few thousand proteins from a large protein2ipr.dat.gz.

    python tests/benchmarks/bench_protein2ipr.py

The file is generated, sorted by accession as InterPro's is, with lines of its lengths. It is read in a process of its
own, whose peak memory is given; with `--lines` a tenth as many it should be the same. Beside it, the same file line by
line with a look into a set.
"""

import argparse
import gzip
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from measuring import memory, report

from esm2_amp.io.regions import RegionFile

_ENTRIES = [f"IPR{number:06}" for number in range(1, 301)]
_NAMES = ["SH3 domain", "Tyrosine-protein kinase, catalytic domain", "Immunoglobulin-like domain superfamily"]
_AT_ONCE = 20_000


def write_file(folder: Path, lines: int, wanted: int) -> list[str]:
    """Write the file and its entry list; gives the proteins to ask for, among them one that isn't there."""
    types = ("Domain", "Homologous_superfamily", "Active_site")
    rows = (f"{entry}\t{types[number % 3]}\t{_NAMES[number % 3]}\n" for number, entry in enumerate(_ENTRIES))
    (folder / "entry.list").write_text("ENTRY_AC\tENTRY_TYPE\tENTRY_NAME\n" + "".join(rows))
    generator = np.random.default_rng(0)
    # six lines a protein; those of an accession stand together
    proteins = lines // 6
    with gzip.open(folder / "protein2ipr.dat.gz", "wt", compresslevel=1) as file:
        for first in range(0, proteins, _AT_ONCE):
            start, size = generator.integers(1, 900, (2, _AT_ONCE * 6)).tolist()
            text = []
            for number in range(first, min(first + _AT_ONCE, proteins)):
                accession = accession_of(number)
                for line in range(6):
                    at = (number - first) * 6 + line
                    entry = (number * 7 + line * 31) % 300
                    text.append(f"{accession}\t{_ENTRIES[entry]}\t{_NAMES[entry % 3]}\tPF{entry:05}\t{start[at]}\t"
                                f"{start[at] + size[at]}\n")  # fmt: skip
            file.write("".join(text))
    chosen = generator.choice(proteins, wanted, replace=False).tolist()
    return [*(accession_of(number) for number in chosen), "P00000"]


def accession_of(number: int) -> str:
    """A UniProt accession of ten letters, in the order of its number."""
    letters = [chr(65 + number // 26**power % 26) for power in (4, 3, 2, 1, 0)]
    return f"A0A{''.join(letters)}{number % 100:02}"


def ours(path: Path, wanted: list[str]) -> tuple[float, int, int, int]:
    """Seconds, memory before and at its peak, regions found; to be called in a fresh process."""
    before, start = memory("VmRSS"), time.perf_counter()
    regions = RegionFile(path).read(wanted).regions
    return time.perf_counter() - start, before, memory("VmHWM"), len(regions)


def line_by_line(path: Path, wanted: list[str]) -> tuple[float, int]:
    """The plain way: seconds, lines found."""
    names, found, start = {name.encode() for name in wanted}, 0, time.perf_counter()
    with gzip.open(path) as file:
        for line in file:
            found += line[: line.index(b"\t")] in names
    return time.perf_counter() - start, found


def main() -> None:
    """Print times and memory."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lines", type=int, default=20_000_000)
    parser.add_argument("--wanted", type=int, default=3000)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        wanted = write_file(folder, arguments.lines, arguments.wanted)
        path = folder / "protein2ipr.dat.gz"
        report(f"{arguments.lines:,} lines, {path.stat().st_size / 1e6:,.0f} MB gzip, {len(wanted):,} proteins")
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as fresh:
            seconds, before, peak, found = fresh.submit(ours, path, wanted).result()
        report(f"ours: {seconds:.1f} s, {arguments.lines / seconds / 1e6:.1f} million lines/s, peak memory "
               f"{peak / 1e6:.0f} MB ({before / 1e6:.0f} MB of it imports), {found:,} regions")  # fmt: skip
        seconds, plain = line_by_line(path, wanted)
        report(f"line by line: {seconds:.1f} s, {plain:,} regions")


if __name__ == "__main__":
    main()
