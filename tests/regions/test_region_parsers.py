"""Each layout of annotations on a small file written as its source writes it."""

import gzip
import io
import json
import shutil
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kedro.io import DatasetError

from esm2_amp.errors import InputError
from esm2_amp.io.regions import RegionFile, RegionsDataset
from esm2_amp.regions import interpro

FILES = Path(__file__).parents[1] / "data/regions"
SRC, INSULIN = "P12931", "P01308"
TYPES = {"IPR001452": "Domain", "IPR008266": "Active_site"}


def read(name, *entries):
    return RegionFile(FILES / name).read(entries or (SRC, INSULIN))


def rows(annotations, *columns):
    return annotations.regions[list(columns)].to_records(index=False).tolist()


def places(annotations, entry):
    table = annotations.regions[annotations.regions["Entry"] == entry]
    return table[["Type", "Start", "End", "Note"]].to_records(index=False).tolist()


def test_exported_table_gives_every_feature_with_its_notes():
    found = read("uniprot.tsv")
    assert places(found, SRC) == [
        ("Domain", 84, 145, "SH3"),
        ("Domain", 151, 248, "SH2"),
        ("Binding site", 276, 284, "ATP"),
        ("Binding site", 298, 298, "ATP"),
        ("Region", 1, 53, "Disordered; acidic"),
    ]
    assert found.lengths == {SRC: 536, INSULIN: 110}
    assert set(found.regions["Source"]) == {"UniProt"}


def test_links_are_their_two_residues_and_fuzzy_ends_their_known_ones():
    found = read("uniprot.tsv", INSULIN)
    links = [(start, end) for kind, start, end, _ in places(found, INSULIN) if kind == "Disulfide bond"]
    assert sorted(links) == [(31, 31), (95, 95), (96, 96)]
    regions = [(start, end) for kind, start, end, _ in places(found, INSULIN) if kind == "Region"]
    assert regions == [(1, 45), (70, 90)]


def test_isoforms_keep_their_own_name():
    assert places(read("uniprot.tsv", INSULIN), "P01308-2") == [("Motif", 3, 9, "Of an isoform")]


def test_isoform_that_is_asked_for_is_found_with_its_entry():
    assert places(read("uniprot.tsv", "P01308-2"), "P01308-2") == [("Motif", 3, 9, "Of an isoform")]


def test_malformed_features_are_listed_with_file_and_row():
    problems = read("uniprot.tsv").problems
    assert problems[["Row", "Entry"]].to_records(index=False).tolist() == [(3, INSULIN), (3, INSULIN)]
    assert problems["File"].str.endswith("uniprot.tsv").all()
    assert "isn't known (?)" in problems["Problem"][0]
    assert "'MOTIF abc..9'" in problems["Problem"][1]


def test_exported_workbook_reads_as_the_table(tmp_path):
    pd.read_csv(FILES / "uniprot.tsv", sep="\t").to_excel(tmp_path / "uniprot.xlsx", index=False)
    found, expected = RegionFile(tmp_path / "uniprot.xlsx").read([SRC, INSULIN]), read("uniprot.tsv")
    pd.testing.assert_frame_equal(found.regions, expected.regions)


def test_variants_of_one_protein_may_fill_more_than_csv_allows(tmp_path):
    cell = "; ".join(f'VARIANT {i}; /note="{"x" * 90}"' for i in range(1, 1501))
    (tmp_path / "long.tsv").write_text(f"Entry\tLength\tNatural variant\nP1\t2000\t{cell}\n")
    assert len(RegionFile(tmp_path / "long.tsv").read(["P1"]).regions) == 1500


def test_json_gives_the_features_of_each_modifier():
    found = read("uniprot.json")
    assert places(found, SRC) == [
        ("Domain", 84, 145, "SH3"),
        ("Binding site", 298, 298, "ATP"),
        ("Signal peptide", 1, 24, ""),
        ("Chain", 2, 536, ""),
    ]
    assert places(found, "P12931-2") == [("Motif", 3, 9, "")]
    assert found.regions["Accession"].iloc[-1] == "PRO_0000088141"
    assert found.problems["Problem"].str.contains("an end that isn't known").tolist() == [True]


def test_json_of_one_entry(tmp_path):
    entry = json.loads((FILES / "uniprot.json").read_text())["results"][0]
    (tmp_path / "P12931.json").write_text(json.dumps(entry))
    assert len(RegionFile(tmp_path / "P12931.json").read([SRC]).regions) == 5


def test_interproscan_takes_types_from_the_entry_list():
    found = read("interproscan.tsv")
    assert rows(found, "Type", "Start", "End", "Accession") == [
        ("Domain", 88, 135, "IPR001452"),
        ("Active_site", 388, 400, "IPR008266"),
    ]
    assert found.lengths == {SRC: 536}
    assert found.problems["Row"].tolist() == [3, 4]
    assert "mobidb-lite is in no InterPro entry" in found.problems["Problem"][0]


def test_interpro_file_without_entry_list(tmp_path):
    shutil.copy(FILES / "interproscan.tsv", tmp_path)
    with pytest.raises(InputError, match=r"--params=entry_list=FILE, or put it beside the file as entry\.list"):
        RegionFile(tmp_path / "interproscan.tsv").read([SRC])


def test_protein2ipr_gives_the_proteins_asked_for_and_no_others(tmp_path):
    with gzip.open(tmp_path / "protein2ipr.dat.gz", "wb") as file:
        file.write((FILES / "protein2ipr.dat").read_bytes())
    found = RegionFile(tmp_path / "protein2ipr.dat.gz", FILES / "entry.list").read([SRC, INSULIN])
    assert rows(found, "Entry", "Type", "Start", "End") == [
        (SRC, "Domain", 88, 135),
        (SRC, "Homologous_superfamily", 80, 150),
        (SRC, "Active_site", 388, 400),
    ]
    assert found.regions.index.tolist() == [3, 4, 8]
    assert found.problems["Row"].tolist() == [5]


NAMES = st.text("AP012", min_size=1, max_size=10)


@given(st.lists(NAMES, min_size=1, max_size=30), st.sets(NAMES, min_size=1, max_size=5), st.integers(60, 300))
def test_protein2ipr_finds_the_same_lines_as_a_look_at_each(names, wanted, block):
    text = "\n".join(f"{name}\tIPR001452\tSH3\tPF00018\t{i}\t{i + 1}" for i, name in enumerate(names, start=1))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(interpro, "_BLOCK", block)
        found = interpro.parse_protein2ipr(io.BytesIO(text.encode()), Path("x"), TYPES, wanted)
    expected = [(i, name, i) for i, name in enumerate(names, start=1) if name in wanted]
    assert list(zip(found.regions.index, found.regions["Entry"], found.regions["Start"], strict=True)) == expected


def test_protein2ipr_lines_are_counted_whatever_they_hold():
    match = "P1\tIPR001452\tSH3\tPF00018\t1\t2"
    text = f'{match}\r\n\nP1\nP12\nP1\t\xff\n{match}\t7\n"P1\t\n{match}'.encode("latin-1")
    found = interpro.parse_protein2ipr(io.BytesIO(text), Path("x"), TYPES, {"P1"})
    assert found.regions.index.tolist() == [1, 8]
    assert found.problems["Row"].tolist() == [5, 6]
    assert found.problems["Problem"].tolist() == [f"a match must have 6 cells, got {n}" for n in (2, 7)]


def test_protein2ipr_without_line_ends():
    with pytest.raises(InputError, match=r"x must be text in lines of less than 1,048,576 bytes, got other data"):
        interpro.parse_protein2ipr(io.BytesIO(b"P1\t" + b"x" * 3_000_000), Path("x"), TYPES, {"P1"})


def test_protein2ipr_cut_short(tmp_path):
    whole = gzip.compress((FILES / "protein2ipr.dat").read_bytes() * 20_000)
    (tmp_path / "protein2ipr.dat.gz").write_bytes(whole[: len(whole) * 3 // 4])
    with pytest.raises(InputError, match="must be a whole gzip file, got one cut short"):
        RegionFile(tmp_path / "protein2ipr.dat.gz", FILES / "entry.list").read([SRC])


def test_uniprot_gff_decodes_its_notes():
    found = read("uniprot.gff")
    assert places(found, SRC) == [
        ("Domain", 84, 145, "SH3, first; binds prolines"),
        ("Compositional bias", 15, 29, "Low complexity"),
    ]
    assert found.lengths == {SRC: 536}
    assert found.problems["Row"].tolist() == [5]


def test_interproscan_gff_ends_before_its_sequences():
    found = read("interproscan.gff3")
    assert rows(found, "Source", "Type", "Start", "End", "Note", "Accession") == [
        ("InterPro", "Domain", 88, 135, "SH3 domain", "IPR001452")
    ]
    assert found.problems["Row"].tolist() == [5]


def test_published_table_keeps_brackets_in_notes_and_lists_what_was_left_unprocessed():
    found = read("published.csv")
    assert places(found, SRC) == [
        ("Domain", 84, 145, "SH3"),
        ("Domain", 151, 248, "Binds [DE]; often"),
        ("Region", 1, 53, ""),
        ("Region", 60, 61, ""),
    ]
    assert found.problems["Problem"].tolist() == [
        "'REGION 70' must be a feature such as Domain[5,88]: in a published table",
        "'MOTIF P01308-2:3..9' must be a feature such as Domain[5,88]: in a published table",
    ]


@pytest.mark.parametrize(
    ("content", "name", "words"),
    [
        ("uniprot.tsv", "regions.json", "its content is a UniProt table; rename it to end in .tsv or .csv"),
        ("uniprot.json", "regions.tsv", "its content is a UniProt JSON; rename it to end in .json"),
        ("uniprot.gff", "regions.tsv", "its content is a GFF3; rename it to end in .gff or .gff3"),
        ("interproscan.tsv", "regions.gff3", "its content is a InterProScan TSV; rename it to end in .tsv"),
        ("uniprot.tsv", "regions.tsv.gz", "isn't gzip-compressed, against what its name says"),
        ("entry.list", "regions.tsv", "must hold annotations as one of UniProt table, published table, UniProt JSON"),
    ],
)
def test_file_of_another_layout_than_its_name_says(content, name, words, tmp_path):
    shutil.copy(FILES / content, tmp_path / name)
    with pytest.raises(InputError, match=words):
        RegionFile(tmp_path / name).read([SRC])


def test_gzip_under_a_plain_name(tmp_path):
    (tmp_path / "regions.tsv").write_bytes(gzip.compress((FILES / "uniprot.tsv").read_bytes()))
    with pytest.raises(InputError, match=r"is gzip-compressed, against what its name says; rename it to end in \.gz"):
        RegionFile(tmp_path / "regions.tsv").read([SRC])


def test_missing_file():
    with pytest.raises(DatasetError, match="there is no such file of regions"):
        RegionsDataset("nowhere.tsv").load()
