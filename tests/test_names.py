"""Names of proteins as databases, tools and users write them."""

import doctest

import pytest
from hypothesis import given
from hypothesis import strategies as st

from esm2_amp import names
from esm2_amp.names import examples_of_unknown, is_accession, match_names, protein_name, resembling_names

WRITTEN = {
    "sp|P01308|INS_HUMAN": "P01308",
    "sp|P01308|INS_HUMAN Insulin OS=Homo sapiens OX=9606 GN=INS PE=1 SV=1": "P01308",
    "tr|A0A0B4J2F0|A0A0B4J2F0_HUMAN": "A0A0B4J2F0",
    "sp|P01308-2|INS_HUMAN Isoform 2 of Insulin": "P01308-2",
    "sp|P01308.1|INS_HUMAN": "P01308.1",
    "sp|P01308": "P01308",
    "gi|4557671|ref|NP_000198.1| insulin preproprotein": "NP_000198.1",
    "ref|NP_000198.1|": "NP_000198.1",
    "4HHB_1|Chains A, C|Hemoglobin subunit alpha|Homo sapiens (9606)": "4HHB_1",
    "4HHB_1|Chains": "4HHB_1",
    "6M0J_1|Chain A|Angiotensin-converting enzyme 2": "6M0J_1",
    "4HHB:A|PDBID|CHAIN|SEQUENCE": "4HHB:A",
    "ENSP00000493376.2|ENST00000641515.2|ENSG00000186092.7|OR4F5": "ENSP00000493376.2",
    "uniprotkb:P01308": "P01308",
    "UniProtKB/Swiss-Prot:P01308": "P01308",
}
"""What stands in a file, and the protein's name."""

AS_THEY_ARE = (
    "P01308", "9606.ENSP00000250971", "ENSP00000250971.3", "362663.ecp:ECP_0985", "P01308-2", "UniRef50_P01308", "NA",
    "sp||NAME_HUMAN", "contig1|gene2", "β-actin", "P 1", "",
)  # fmt: skip


@pytest.mark.parametrize(("written", "name"), WRITTEN.items())
def test_what_stands_around_a_name_is_left_out(written, name):
    assert protein_name(written) == name
    assert protein_name(name) == name


@pytest.mark.parametrize("text", AS_THEY_ARE)
def test_other_text_is_a_name(text):
    assert protein_name(text) == text


@pytest.mark.parametrize(
    ("name", "entry"),
    [
        *WRITTEN.items(),
        ("P01308", "sp|P01308|INS_HUMAN"),
        ("ENSP00000250971", "ENSP00000250971.3"),
        ("ENSP00000250971.3", "ENSP00000250971"),
        ("9606.ENSP00000250971", "ENSP00000250971.3"),
        ("NP_000198", "NP_000198.1"),
        ("P01308", "P01308.1"),
        ("ECP_3406", "362663.ECP_3406"),
        ("362663.ECP_3406", "ECP_3406"),
    ],
)
def test_name_means_the_only_protein_that_agrees(name, entry):
    assert match_names([name], ["X1", entry, "X2"]) == {name: entry}


@pytest.mark.parametrize(
    ("name", "entries"),
    [
        ("P01308", ["P01308-2"]),
        ("P01308-2", ["P01308"]),
        ("P01308-1", ["P01308"]),
        ("p01308", ["P01308"]),
        ("UniRef50_P01308", ["P01308"]),
        ("ENSP00000250971.2", ["ENSP00000250971.3"]),
        ("ENSP00000250971", ["ENSP00000250971.3", "ENSP00000250971.4"]),
        ("9606.X1", ["10090.X1"]),
        ("X1", ["9606.X1", "10090.X1"]),
        ("AT1G01010", ["AT1G01010.1"]),
        ("P0130", ["P01308"]),
    ],
)
def test_name_that_may_mean_another_protein_finds_none(name, entries):
    assert match_names([name], entries) == {}


def test_names_that_contradict_each_other_mean_no_protein():
    assert match_names(["9606.X1", "10090.X1", "9606.X2", "X2"], ["X1", "X2"]) == {"X2": "X2", "9606.X2": "X2"}


@given(
    st.lists(st.sampled_from(["A", "9606.A", "10090.A", "P01308", "P01308.1", "P01308.2", "sp|P01308|I"]), unique=True)
)
def test_a_protein_of_the_same_name_is_always_the_one(entries):
    found = match_names(entries, entries)
    assert {name: found[name] for name in entries} == {name: name for name in entries}


@pytest.mark.parametrize(
    ("name", "entry"),
    [
        ("p01308", "P01308"),
        ("P01308-2", "P01308"),
        ("UniRef50_P01308", "P01308"),
        ("AF-P01308-F1", "P01308"),
        ("sp_P01308_INS_HUMAN", "P01308"),
        ("ENSP00000250971.2", "9606.ENSP00000250971.3"),
        ("AT1G01010", "AT1G01010.1"),
        ("9606.tp53", "TP53"),
    ],
)
def test_name_that_resembles_a_protein_is_set_beside_it(name, entry):
    assert resembling_names([name], ["X1", entry]) == {name: [entry]}
    assert examples_of_unknown([name], ["X1", entry]) == f"{name!r} (nearly the same is {entry!r})"


def test_examples_begin_with_names_that_resemble_a_protein():
    words = examples_of_unknown(["A", "B", "C", "p1"], ["P1", "P1-2"])
    assert words == "'p1' (nearly the same are 'P1', 'P1-2'), 'A', 'B'"


def test_names_that_resemble_nothing_stand_beside_some_proteins():
    assert examples_of_unknown(["INS"], ["P1", "P2", "P3", "P4"]) == "'INS' (the proteins are 'P1', 'P2', 'P3', …)"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        *(
            (text, True)
            for text in ("P01308", "9606.ENSP00000250971", "NP_000198.1", "sp|P01308|INS_HUMAN", "P01308-2")
        ),
        *((text, False) for text in ("INS", "Protein1", "MKTAYIAK", "TP53", "1.0", "")),
    ],
)
def test_accessions_of_the_large_databases_are_recognised(text, expected):
    assert is_accession(text) == expected


def test_examples_of_the_docstrings():
    found = doctest.testmod(names)
    assert found.attempted > 0
    assert found.failed == 0
