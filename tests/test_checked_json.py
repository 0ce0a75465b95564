"""Checksums in JSON."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from esm2_amp.checked_json import read_json, with_checksum, without_checksum

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text().filter(lambda name: name != "crc32"), VALUES, max_size=4))
def test_content_returns_from_any_layout(content):
    checked = with_checksum(content)
    assert list(checked) == [*content, "crc32"]
    for options in ({}, {"indent": 2}, {"sort_keys": True}, {"ensure_ascii": False}):
        assert without_checksum(json.loads(json.dumps(checked, **options))) == content


def test_what_json_writes_otherwise_has_the_checksum_of_what_is_read():
    checked = json.loads(json.dumps(with_checksum({"a": (1, 2), "b": math.nan, "c": {1: 2.5}})))
    assert str(without_checksum(checked)) == "{'a': [1, 2], 'b': nan, 'c': {'1': 2.5}}"


def test_no_changed_bit_reaches_a_value(tmp_path):
    given = {"threshold": 0.4875, "model": "ESM2_DPM", "pairs": 12, "best": {"h1": 480, "is_best": True}}
    content, noticed = json.dumps(with_checksum(given), indent=2).encode(), 0
    file = tmp_path / "metrics.json"
    for at in range(len(content)):
        for bit in range(8):
            file.write_bytes(content[:at] + bytes([content[at] ^ (1 << bit)]) + content[at + 1 :])
            try:
                found = read_json(file)
            except ValueError:
                noticed += 1
            else:
                assert found == given, (at, bit)
    assert noticed > 0.7 * 8 * len(content)


def test_a_changed_value_is_told_with_what_to_do_where_it_was_on_purpose():
    with pytest.raises(
        ValueError, match="doesn't agree with its crc32, a line to take out where it was changed on pur"
    ):
        without_checksum(with_checksum({"h1": 480}) | {"h1": 481})


@pytest.mark.parametrize("content", [{"h1": 480}, [1, 2], "text", None])
def test_content_without_a_checksum_passes(content):
    assert without_checksum(content) == content
