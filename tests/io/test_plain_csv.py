"""Tables that pyarrow reads at once, against Python's csv."""

import csv
import io

import pandas as pd
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from esm2_amp.io.plain_csv import read_plain
from esm2_amp.io.tables import read_table

CHARACTERS = st.text("aé,\t\"\n\r \u00a0\ufeff\x0b'\\;", max_size=60)
PLAIN_CELLS = st.sampled_from(["a", "b", "", '"a b"', '""', " ", "\u00a0", "é", "NA", "null", "1.0"])
ROWS = st.integers(1, 3).flatmap(lambda n: st.lists(st.lists(PLAIN_CELLS, min_size=n, max_size=n), min_size=2))


def read(text):
    """All columns, below a header of one or more lines."""
    lines = csv.reader(io.StringIO(text, newline=""))
    width = len(next(lines, []))
    return read_plain(text.encode(), ",", max(lines.line_num, 1), width, {f"{place}": place for place in range(width)})


@given(CHARACTERS | ROWS.map(lambda rows: "".join(",".join(row) + "\n" for row in rows)))
@example('a,b\n"x"y,1\n')
@example("a\n\n1\n")
@example('a,b\n"x\n1",2\n')
@example('"\n;')
@example('"a\n",b\n1,2\n')
def test_what_is_read_is_what_csv_reads(text):
    frame = read(text)
    if frame is not None:
        lines = csv.reader(io.StringIO(text, newline=""), strict=True)
        next(lines)
        first = lines.line_num + 1
        rows = list(lines)
        assert frame.to_numpy().tolist() == rows
        assert frame.index.to_list() == list(range(first, len(rows) + first))
        assert all("".join(row).strip() for row in rows)


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
@pytest.mark.parametrize("last", ["", "end"])
def test_plain_tables_are_read(line_end, last):
    rows = ['"Protein1","Protein2",Label', 'P1,"P 2",1', '"NA",,""']
    frame = read(line_end.join(rows) + (line_end if last else ""))
    expected = pd.DataFrame([["P1", "P 2", "1"], ["NA", "", ""]], [2, 3], ["0", "1", "2"], dtype="str")
    pd.testing.assert_frame_equal(frame.rename_axis(None), expected)


@pytest.mark.parametrize(
    "text",
    [
        "a,b\n1,2\n\n",
        "a,b\n1,2,3\n",
        "a,b\n , \n1,2\n",
        'a,b\n"1,2",3\n',
        'a,b\n"1""2",3\n',
        'a,b\n"1,2\n',
        "a,b\r1,2\r",
        "a,b\n",
        "a,b",
        f"a,b\n1,{'x' * 5_000_000}\n",
    ],
)
def test_other_tables_are_left_to_csv(text):
    assert read(text) is None


@pytest.mark.parametrize("quote", ["", '"'])
def test_cells_may_be_longer_than_csv_allows(tmp_path, quote):
    file, cell = tmp_path / "proteins.csv", "M" * 3_000_000
    file.write_text(f"Entry,Sequence\nP1,{quote}{cell}{quote}\n\n")
    usual = csv.field_size_limit()
    assert read_table(file).frame["Sequence"].tolist() == [cell]
    assert csv.field_size_limit() == usual
