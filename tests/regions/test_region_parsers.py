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
from esm2_amp.regions import gff, interpro

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


def test_names_with_brackets_do_not_make_an_exported_table_a_published_one(tmp_path):
    text = "Entry\tProtein names\tLength\tDomain [FT]\nP1\tIsocitrate dehydrogenase [NADP]\t40\tDOMAIN 5..8\n"
    assert places(written(tmp_path, "x.tsv", text).read(["P1"]), "P1") == [("Domain", 5, 8, "")]


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


# ---- InterProScan 6, and what people do to InterProScan's files

HSP90 = "A0A086JQP8"
PIPED = f"tr|{HSP90}|{HSP90}_TOXGO"
MD5 = "0123456789abcdef0123456789ABCDEF"


def interproscan_gff(*features, name=HSP90, length=847):
    """One file of InterProScan: features as (source, kind, start, end, attributes)."""
    lines = [
        f"{name}\t{source}\t{kind}\t{start}\t{end}\t.\t.\t.\t{text}" for source, kind, start, end, text in features
    ]
    header = ["##gff-version 3", "##interproscan-version 5.73-104.0", f"##sequence-region {name} 1 {length}"]
    return "\n".join([*header, *lines, "##FASTA", f">{name} a\tb", "MSPAGRR", ""])


DOMAIN_6 = ("CDD", "polypeptide_domain", 95, 283, "Name=x;Alias=cd16927;Dbxref=InterPro:IPR020575;type=Domain")
FAMILY_6 = ("PIRSF", "polypeptide_region", 76, 828, "Name=y;Alias=PIRSF002583;Dbxref=InterPro:IPR001404;type=Family")
DOMAIN_5 = ("Pfam", "protein_match", 4, 50, 'Name=PF00018;signature_desc=SH3 domain;Dbxref="InterPro:IPR001452"')


def written(folder, name, text, entry_list=None):
    (folder / name).write_text(text)
    if entry_list is not None:
        (folder / "entry.list").write_text(entry_list)
    return RegionFile(folder / name)


def test_interproscan_6_types_are_those_in_its_attributes_without_an_entry_list(tmp_path):
    shutil.copy(FILES / "interproscan6.gff3", tmp_path)
    found = RegionFile(tmp_path / "interproscan6.gff3").read([HSP90])
    assert rows(found, "Source", "Type", "Start", "End", "Note", "Accession") == [
        ("InterPro", "Domain", 95, 283, "HATPase_Hsp90-like", "IPR020575"),
        ("InterPro", "Family", 86, 106, "HEATSHOCK90", "IPR020575"),
        ("InterPro", "Homologous_superfamily", 356, 641, "SSF54211", "IPR020568"),
        ("InterPro", "Family", 74, 811, "PTHR11528", "IPR001404"),
        ("InterPro", "Domain", 110, 225, "HATPase_c_3", "IPR003594"),
        ("InterPro", "Conserved_site", 106, 115, "HSP90", "IPR019805"),
    ]
    assert found.lengths == {HSP90: 847}
    assert found.problems[["Row", "Problem"]].to_records(index=False).tolist() == [
        (5, "mobidb-lite is in no InterPro entry, and so has no type"),
        (8, "PIRSR002583-1 is in no InterPro entry, and so has no type"),
    ]


@pytest.mark.parametrize(
    ("given", "in_list", "expected"),
    [
        ("Domain", "Family", "Family"),
        ("Family", "Domain", "Family"),
        ("Domain", "Homologous_superfamily", "Homologous_superfamily"),
        ("Domain", "Conserved_site", "Domain"),
        ("conserved site", "Domain", "Conserved_site"),
        ("null", "Active_site", "Active_site"),
        ("Region", "Domain", "Region"),
    ],
)
def test_type_of_a_match_is_its_own_unless_its_entry_is_a_family(given, in_list, expected, tmp_path):
    text = interproscan_gff(("CDD", "polypeptide_domain", 18, 150, f"Dbxref=InterPro:IPR034964;type={given}"))
    found = written(tmp_path, "x.gff3", text, f"IPR034964\t{in_list}\tLumazine synthase\n").read([HSP90])
    assert found.regions["Type"].tolist() == [expected]


def test_interproscan_5_gff_takes_types_from_the_entry_list_only(tmp_path):
    panther = ("PANTHER", "protein_match", 1, 847, "Name=PTHR11528;status=T")
    text = interproscan_gff(DOMAIN_5, panther)
    with pytest.raises(InputError, match=r"x\.gff3 \(GFF3\) names InterPro entries but not their types"):
        written(tmp_path, "x.gff3", text).read([HSP90])
    found = written(tmp_path, "x.gff3", text, "IPR001452\tDomain\tSH3\n").read([HSP90])
    assert rows(found, "Type", "Start", "End") == [("Domain", 4, 50)]
    assert found.problems["Problem"].tolist() == ["PTHR11528 is in no InterPro entry, and so has no type"]


MATCHES = st.lists(
    st.tuples(
        st.sampled_from(["PF00018", "cd16927", "mobidb-lite", "SSF54211"]),  # the signature
        st.sampled_from(["IPR000001", "IPR000002", "IPR000003", None]),  # the entry that holds it
        st.sampled_from(["Domain", "Repeat", "Family", "Region", "null", None]),  # what the file calls one in no entry
        st.integers(1, 400),
        st.integers(0, 100),
        st.booleans(),  # whether the file gives the type of an entry, too
    ),
    max_size=12,
)
ENTRY_TYPES = {"IPR000001": "Domain", "IPR000002": "Conserved_site", "IPR000003": "Family"}


@given(MATCHES)
def test_same_matches_are_the_same_regions_and_problems_in_a_table_and_in_gff(matches):
    table, features = [], []
    for signature, accession, own_type, start, length, is_named in matches:
        kind = own_type if accession is None else ENTRY_TYPES[accession] if is_named else None
        end, in_entry = start + length, f"Dbxref=InterPro:{accession};" if accession else ""
        cells = [HSP90, MD5, 847, "Pfam", signature, "x", start, end, "1E-9", "T", "01-01-2025", accession or "-", "x"]
        table.append("\t".join(map(str, cells)))
        named = f"type={kind};" if kind else ""
        features.append(("Pfam", "polypeptide_region", start, end, f"Name=x;Alias={signature};{in_entry}{named}"))
    of_table = interpro.parse_interproscan("\n".join(table), "x.tsv", ENTRY_TYPES, {HSP90})
    of_gff = gff.parse_gff(interproscan_gff(*features), "x.gff3", ENTRY_TYPES, {HSP90})
    columns = ["Entry", "Source", "Type", "Start", "End", "Note", "Accession"]
    expected = [
        (HSP90, "InterPro", ENTRY_TYPES[accession], start, start + length, "x", accession)
        for _, accession, _, start, length, _ in matches
        if accession
    ]
    assert rows(of_table, *columns) == rows(of_gff, *columns) == expected
    problems = [f"{signature} is in no InterPro entry, and so has no type"
                for signature, accession, *_ in matches if accession is None]  # fmt: skip
    assert of_table.problems["Problem"].tolist() == of_gff.problems["Problem"].tolist() == problems


@pytest.mark.parametrize("name", [PIPED, PIPED.replace("|", "%7C"), HSP90, f"tr|{HSP90}"])
def test_proteins_have_the_names_of_the_fasta_that_interproscan_read(name, tmp_path):
    found = written(tmp_path, "x.gff3", interproscan_gff(DOMAIN_6, FAMILY_6, name=name)).read([HSP90])
    assert rows(found, "Entry", "Type") == [(HSP90, "Domain"), (HSP90, "Family")]
    assert found.lengths == {HSP90: 847}


@pytest.mark.parametrize(
    "name", ["9606.ENSP00000250971", "ENSP00000250971.3", "P01308-2", "NP_000198.1", "4HHB_1|Chains"]
)
def test_other_names_are_found_as_they_are(name, tmp_path):
    line = f"{name}\t{MD5}\t110\tPfam\tPF00049\tInsulin\t26\t109\t1E-9\tT\t01-01-2025\tIPR001452\tInsulin-like\n"
    found = written(tmp_path, "x.tsv", line, "IPR001452\tDomain\tx\n").read([name, "ENSP00000250971", "P01308"])
    assert found.entries == {name}
    assert found.lengths == {name: 110}


def test_joined_gff_files_are_read_to_the_end(tmp_path):
    parts = [
        interproscan_gff(DOMAIN_6, name=PIPED),
        interproscan_gff(
            ("CDD", "polypeptide_domain", 2, 9, "Name=z;Dbxref=InterPro:IPR000001;type=Repeat"),
            name="sp|P2|X",
            length=20,
        ),
        interproscan_gff(FAMILY_6, name=PIPED),
    ]
    found = written(tmp_path, "x.gff3", "".join(parts)).read([HSP90, "P2"])
    assert rows(found, "Entry", "Type") == [(HSP90, "Domain"), ("P2", "Repeat"), (HSP90, "Family")]
    assert found.lengths == {HSP90: 847, "P2": 20}


def test_gff_without_its_header_as_left_by_a_search_for_one_protein(tmp_path):
    lines = interproscan_gff(DOMAIN_6, FAMILY_6, name=PIPED).splitlines()
    text = "\n".join(f"{line}\t" for line in lines if PIPED in line and not line.startswith(("#", ">")))
    assert rows(written(tmp_path, "x.gff3", text).read([HSP90]), "Type") == [("Domain",), ("Family",)]


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize(
    "more",
    ["IPR001452\tSH3 domain", "IPR001452\tSH3 domain\t-", "IPR001452\tSH3 domain\tGO:1|GO:2\tReactome:R-1", "-\t-", ""],
)
def test_interproscan_tables_with_more_or_fewer_columns(more, end, tmp_path):
    line = f"{PIPED}\t{MD5}\t847\tPfam\tPF00018\t-\t8\t60\t-\tT\t01-01-2025"
    coil = f"{PIPED}\t{MD5}\t847\tCoils\tCoil\tCoil\t485\t526\t-\tT\t01-01-2025\t-\t-"
    (tmp_path / "entry.list").write_text(f"ENTRY_AC\tENTRY_TYPE\tENTRY_NAME{end}IPR001452\tDomain\tSH3{end}")
    (tmp_path / "x.tsv.gz").write_bytes(gzip.compress(end.join([f"{line}\t{more}".strip(), coil, ""]).encode()))
    found = RegionFile(tmp_path / "x.tsv.gz").read([HSP90])
    typed = more.startswith("IPR")
    assert rows(found, "Type", "Start", "End", "Note") == ([("Domain", 8, 60, "SH3 domain")] if typed else [])
    assert found.problems["Row"].tolist() == ([2] if typed else [1, 2])
    assert found.lengths == {HSP90: 847}


def test_interproscan_table_below_a_header_that_someone_added(tmp_path):
    text = "protein\tmd5\tlength\n" + (FILES / "interproscan/ips_pipe.tsv").read_text()
    found = written(tmp_path, "x.tsv", text, (FILES / "interproscan/entry.list").read_text()).read([HSP90])
    assert found.regions.index.tolist() == [2, 3]


def test_isoform_is_not_its_entry(tmp_path):
    text = interproscan_gff(DOMAIN_6, name="sp|P01308|INS_HUMAN")
    found = written(tmp_path, "x.gff3", text).read(["P01308-2"])
    assert not found.entries
    assert found.others == {"sp|P01308|INS_HUMAN"}
    text = interproscan_gff(DOMAIN_6, name="sp|P01308-2|INS_HUMAN")
    assert written(tmp_path, "x.gff3", text).read(["P01308", "P01308-2"]).entries == {"P01308-2"}


def test_protein2ipr_keeps_the_lines_of_similar_names():
    text = b"P01308\tIPR001452\tSH3\tPF00018\t1\t2\nQ1\tIPR001452\tSH3\tPF00018\t1\t2\n"
    found = interpro.parse_protein2ipr(io.BytesIO(text), Path("x"), TYPES, {"P01308-2", "sp|Q1|Q1_HUMAN"})
    assert found.entries == {"sp|Q1|Q1_HUMAN"}
    assert found.others == {"P01308"}


def test_entry_list_that_is_missing(tmp_path):
    shutil.copy(FILES / "interproscan.tsv", tmp_path)
    with pytest.raises(DatasetError, match=r"nowhere\.list: there is no such InterPro entry list; check the path"):
        RegionsDataset(str(tmp_path / "interproscan.tsv"), entry_list="nowhere.list").load()


def test_protein2ipr_without_entry_list(tmp_path):
    shutil.copy(FILES / "protein2ipr.dat", tmp_path)
    with pytest.raises(
        InputError, match=r"protein2ipr\.dat \(protein2ipr\) names InterPro entries but not their types"
    ):
        RegionFile(tmp_path / "protein2ipr.dat").read(["P00000"])


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
        (
            "uniprot.tsv",
            "regions.json",
            "its content, which has the format UniProt table; rename it to end in .tsv or .csv",
        ),
        ("uniprot.json", "regions.tsv", "its content, which has the format UniProt JSON; rename it to end in .json"),
        ("uniprot.gff", "regions.tsv", "its content, which has the format GFF3; rename it to end in .gff or .gff3"),
        (
            "interproscan.tsv",
            "regions.gff3",
            "its content, which has the format InterProScan TSV; rename it to end in .tsv",
        ),
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
