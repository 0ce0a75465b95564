"""Chapters of the report, or parts of them, as catalog entries."""

import json
from pathlib import Path

from typing_extensions import override

from esm2_amp.checked_json import read_json, with_checksum
from esm2_amp.files import reading, write_atomically
from esm2_amp.io.local import LocalDataset
from esm2_amp.report.parts import Section
from esm2_amp.report.stored import as_json, from_json


class SectionDataset(LocalDataset[Section, Section]):
    """A chapter of the report, or a part of one, as JSON with its pictures inside.

    Parameters
    ----------
    filepath : str
        The JSON file.
    metadata : mapping, optional
        For plugins such as Kedro-Viz; not used here.
    """

    @override
    def load(self) -> Section:
        with reading(self._filepath):
            section: Section = from_json(read_json(self._filepath))
        return section

    @override
    def save(self, data: Section) -> None:
        write_atomically(self._filepath, json.dumps(with_checksum(as_json(data)), allow_nan=False).encode())

    def files(self) -> list[Path]:
        """Nothing to list among the results of a run: the report shows what is in it."""
        return []
