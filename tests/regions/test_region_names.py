"""Which names are those of one protein, and which are only similar."""

import pytest

from esm2_amp.names import protein_name
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
