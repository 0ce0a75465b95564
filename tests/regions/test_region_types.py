"""Which types of region count."""

import pytest

from esm2_amp.regions.types import chosen_types, interpro_type


def test_types_of_an_unknown_source_all_count_but_families():
    found = {"pocket", "Family", "Homologous_superfamily"}
    assert chosen_types(None, ["my_tool"], found) == ["pocket"]
    assert chosen_types(["Family"], ["my_tool"], found) == ["Family"]


def test_usual_types_of_a_known_source_count_whatever_is_found():
    chosen = chosen_types(None, ["InterPro", "my_tool"], {"pocket", "Family", "Domain"})
    assert chosen == ["Domain", "Repeat", "Active_site", "Binding_site", "Conserved_site", "PTM"]


@pytest.mark.parametrize(
    ("name", "expected"),
    [("FAMILY", "Family"), ("Homologous superfamily", "Homologous_superfamily"), ("ptm", "PTM"), ("Region", "Region"),
     ("Cytoplasmic_domain", "Cytoplasmic_domain"), ("", None), ("-", None), ("null", None)],
)  # fmt: skip
def test_types_as_files_of_interpro_write_them(name, expected):
    assert interpro_type(name) == expected
