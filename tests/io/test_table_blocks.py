"""Tables read block by block, against Python's csv on the whole text, and Parquet against the same table as text."""

import csv
import gzip
import io
import re
from unittest.mock import patch

import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pyarrow import parquet as pq

from esm2_amp.errors import InputError
from esm2_amp.io.tables import read_blocks, read_table

PAIR, LABEL = ("Protein1", "Protein2"), ("Label",)
HEADER = "Protein1,Protein2,Label\n"
CELLS = st.sampled_from(["P1", "P2", "β", "", " ", '"P 3"', '"P,4"', '"P\n5"', '"P""6"', '"P7', "NA", "1.0"])
ROWS = st.lists(st.lists(CELLS, min_size=3, max_size=3) | st.lists(CELLS, max_size=4), max_size=12)


def by_csv(text: str) -> tuple[list[list[str]], list[int], int] | str:
    """Rows, their numbers and the number of blank ones; or else the message for what is wrong."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    rows, numbers, blank, ragged, last = [], [], 0, [], 1
    next(reader)
    try:
        for cells in reader:
            number, last = last + 1, reader.line_num
            if not any(cell.strip() for cell in cells):
                blank += 1
            elif len(cells) < 3 or any(cell.strip() for cell in cells[3:]):
                ragged.append(f"row {number}: must have 3 cells as the header has, got {len(cells)}; correct the row")
            else:
                rows.append(cells[:3])
                numbers.append(number)
    except csv.Error as error:
        return f"row {last + 1}: a quotation mark must enclose a whole cell and be closed, got {error}; correct the row"
    if len(ragged) > 1:
        return "\n".join([f"has {len(ragged)} problems:", *(f"  {problem}" for problem in ragged)])
    return ragged[0] if ragged else (rows, numbers, blank) if rows else "must have a header and at least one row"


@given(ROWS, st.sampled_from(["\n", "\r\n"]), st.booleans(), st.integers(1, 60), st.integers(1, 4))
@example([["P1", "P2", "1"], ["P1"], ["P2", "P1", '"']], "\n", False, 24, 1)
@example([["P1", "P2", "1"], [], ["P2", '"P\n5"', "0"], ["P1", "P2", "0"]], "\n", True, 24, 1)
def test_blocks_are_what_csv_reads_wherever_the_text_is_cut(tmp_path_factory, rows, line_end, last, chunk, at_once):
    text = HEADER + "".join(",".join(cells) + line_end for cells in rows)
    text = text if last else text.removesuffix(line_end)
    file = tmp_path_factory.mktemp("blocks") / "pairs.csv.gz"
    file.write_bytes(gzip.compress(text.encode()))
    expected = by_csv(text)
    with patch("esm2_amp.files._CHUNK", chunk), patch("esm2_amp.io.tables._ROWS_AT_ONCE", at_once):
        if isinstance(expected, str):
            with pytest.raises(InputError) as raised:
                read_table(file, PAIR, LABEL)
            assert str(raised.value).replace(f"{file} ", "").startswith(expected)
            return
        blocks = read_blocks(file, PAIR, LABEL)
        for _ in range(2):  # as often as one likes
            read = blocks.whole()
            assert read.frame.to_numpy().tolist() == expected[0]
            assert (read.frame.index.to_list(), read.blank_rows) == expected[1:]
            assert (read.frame.index.name, blocks.columns) == ("row", (*PAIR, *LABEL))
            assert set(read.frame.dtypes.astype(str)) == {"str"}


def test_a_large_text_is_read_in_blocks(tmp_path):
    file, count = tmp_path / "pairs.csv", 100_000
    file.write_text(HEADER + "".join(f"P{number},Q{number},1\n" for number in range(count)))
    with patch("esm2_amp.files._CHUNK", 1 << 17):
        blocks = list(read_blocks(file, PAIR, LABEL))
    assert len(blocks) > 10 and max(len(block.frame) for block in blocks) < count / 5
    frame = pd.concat([block.frame for block in blocks])
    assert frame["Protein2"].tolist() == [f"Q{number}" for number in range(count)]
    assert frame.index.tolist() == list(range(2, count + 2))


@pytest.mark.parametrize(
    ("tail", "words"),
    [
        (b"P1,P\xff,1\n", "line 20002, byte 0xFF: the text must be UTF-8"),
        (b"P1,P\x00,1\n", "line 20002, byte 0x00: the file must be text, got binary data"),
        (b"P1,P2\n", "row 20002: must have 3 cells as the header has, got 2"),
        (b'P1,"P2,1\n', "row 20002: a quotation mark must enclose a whole cell and be closed"),
        (b'"P,\n1",P1,1\n\nP1,P2\n', "row 20005: must have 3 cells as the header has, got 2"),
    ],
)
def test_mistakes_deep_in_a_file_are_told_by_their_place_in_the_whole(tmp_path, tail, words):
    file = tmp_path / "pairs.csv"
    file.write_bytes((HEADER + "P1,P2,1\n" * 20_000).encode() + tail)
    with patch("esm2_amp.files._CHUNK", 1000), pytest.raises(InputError, match=re.escape(words)):
        read_table(file, PAIR, LABEL)


@pytest.mark.parametrize("cut", [100, 3000])
def test_a_compressed_file_cut_short_is_told_wherever_it_is_cut(tmp_path, cut):
    rows = "".join(f"P{number * number % 9973},Q{number},1\n" for number in range(3000))
    (tmp_path / "pairs.csv.gz").write_bytes(gzip.compress((HEADER + rows).encode())[:cut])
    with (
        patch("esm2_amp.files._CHUNK", 1000),
        pytest.raises(InputError, match="must be a whole gzip file, got one cut"),
    ):
        read_table(tmp_path / "pairs.csv.gz", PAIR, LABEL)


@pytest.mark.parametrize(
    "columns",
    [
        {"Label": [1, 0, None], " protein1": ["P1", "NA", ""], "PROTEIN2": ["P2", None, "β"], "Score": [[1], [2], []]},
        {"Protein1": pa.array(["P1", "NA", ""]).dictionary_encode(), "Protein2": ["P2", None, "β"],
         "Label": [1.0, 0.0, None]},
        {"Protein1": pa.array(["P1", "NA", ""], pa.large_string()), "Protein2": ["P2", "", "β"],
         "Label": ["1", "0", ""]},
    ],
)  # fmt: skip
def test_parquet_is_read_as_the_same_table_in_text(tmp_path, columns):
    pq.write_table(pa.table(columns), tmp_path / "pairs.parquet", row_group_size=2)
    read = read_table(tmp_path / "pairs.parquet", PAIR, LABEL).frame
    (tmp_path / "pairs.csv").write_text(HEADER + "P1,P2,1\nNA,,0\n,β,\n")
    expected = read_table(tmp_path / "pairs.csv", PAIR, LABEL).frame
    assert read.index.to_list() == [1, 2, 3]
    pd.testing.assert_frame_equal(read.reset_index(drop=True), expected.reset_index(drop=True))


def test_numbers_as_names_are_text(tmp_path):
    pq.write_table(pa.table({"Protein1": [3630, 801], "Protein2": [0.5, 801.0]}), tmp_path / "pairs.parquet")
    assert read_table(tmp_path / "pairs.parquet", PAIR).frame.to_numpy().tolist() == [["3630", "0.5"], ["801", "801"]]


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ({"Protein1": ["P1"]}, "must have the columns Protein1, Protein2, lacks Protein2, got 'Protein1'"),
        ({"Protein1": [], "Protein2": []}, "must have a header and at least one row, got only a header"),
        ({"Protein1": ["P1"], "Protein2": [["P2"]]}, "Protein2 must hold text or numbers, got list<"),
        (
            {"Protein1": ["P1"], "protein1": ["P1"], "Protein2": ["P2"]},
            "must name each column once, has Protein1 twice",
        ),
    ],
)
def test_parquet_that_cannot_be_read(tmp_path, table, words):
    pq.write_table(pa.table(table), tmp_path / "pairs.parquet")
    with pytest.raises(InputError, match=re.escape(words)):
        read_table(tmp_path / "pairs.parquet", PAIR)


@pytest.mark.parametrize("damage", [lambda data: data[:-9], lambda data: b"Protein1,Protein2\n", lambda data: b""])
def test_damaged_parquet_is_told(tmp_path, damage):
    pq.write_table(pa.table({"Protein1": ["P1"], "Protein2": ["P2"]}), tmp_path / "pairs.parquet")
    data = (tmp_path / "pairs.parquet").read_bytes()
    (tmp_path / "pairs.parquet").write_bytes(damage(data))
    with pytest.raises(InputError, match=r"pairs.parquet must be a whole Parquet file as its ending says"):
        read_table(tmp_path / "pairs.parquet", PAIR)
