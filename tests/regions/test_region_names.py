"""Which names are those of one protein, and which are only similar."""

import pytest

from esm2_amp.names import protein_name
from esm2_amp.regions.annotations import Collector
from esm2_amp.regions.placing import _similar_names as similar_names


@pytest.mark.parametrize(
    ("name", "accession"),
    [
        ("sp|P01308|INS_HUMAN", "P01308"),
        ("tr|A0A086JQP8|A0A086JQP8_TOXGO", "A0A086JQP8"),
        ("sp|P01308-2|INS_HUMAN", "P01308-2"),
        ("sp|P01308", "P01308"),
        *[(name, name) for name in ("P01308", "9606.ENSP00000250971", "ENSP00000250971.3", "sp|")],
    ],
)
def test_accession_of_a_name(name, accession):
    assert protein_name(name) == accession


@pytest.mark.parametrize(
    "name",
    ["ENSP00000250971.3", "9606.ENSP00000250971", "ensp00000250971", "sp|ENSP00000250971|X", "ENSP00000250971-2"],
)
def test_similar_names_differ_in_how_they_are_written(name):
    assert similar_names(["ENSP00000250971"], {name, "Q1"}) == {"ENSP00000250971": name}
    assert similar_names([name], {"ENSP00000250971", "Q1"}) == {name: "ENSP00000250971"}


def test_names_that_are_not_similar():
    assert similar_names(["P01308", "sp|Q1|A"], ["P01309", "sp|Q2|B", "9606"]) == {}


def test_annotations_are_matched_where_version_or_taxon_is_left_out():
    found = Collector("a.tsv", "x", ["ENSP00000250971.3", "9606.ENSP00000000233", "P01308", "ENSP00000000412.2"])
    for row, name in enumerate(["ENSP00000250971", "ENSP00000000233.10", "P01308-2", "ENSP00000000412.1"], start=1):
        if (entry := found.entry(name)) is not None:
            found.region(row, entry, "UniProt", "Domain", 1, 9)
            found.length(row, entry, "100")
    annotations = found.result()
    assert annotations.matched == {"ENSP00000000233.10": "9606.ENSP00000000233", "ENSP00000250971": "ENSP00000250971.3"}
    assert sorted(annotations.regions["Entry"]) == ["9606.ENSP00000000233", "ENSP00000250971.3"]
    assert annotations.lengths == {"ENSP00000250971.3": 100, "9606.ENSP00000000233": 100}
    assert annotations.others == {"P01308-2", "ENSP00000000412.1"}


def test_annotations_of_two_taxa_do_not_mean_one_protein():
    found = Collector("a.tsv", "x", ["ENSP00000250971"])
    for row, name in enumerate(["9606.ENSP00000250971", "10090.ENSP00000250971"], start=1):
        entry = found.entry(name)
        assert entry is not None
        found.region(row, entry, "UniProt", "Domain", 1, 9)
    annotations = found.result()
    assert annotations.regions.empty
    assert annotations.others == {"9606.ENSP00000250971", "10090.ENSP00000250971"}
