"""Figures as the tests write them, with few dots and letters as outlines, in half the time.

    python tests/quick_figures.py run --env=test

is `kedro run --env=test` with such figures.
"""

from typing import Any, Final

import pytest
from matplotlib.figure import Figure

from esm2_amp.io import figures

DPI: Final = 75


def write_quickly(patch: pytest.MonkeyPatch) -> None:
    """Let all figures be written so, until the patch is undone."""
    savefig = Figure.savefig

    def save(figure: Figure, file: Any, **options: Any) -> None:
        savefig(figure, file, **options | ({"dpi": DPI} if "dpi" in options else {}))

    patch.setattr(Figure, "savefig", save)
    patch.setitem(figures._PDF_OPTIONS, "pdf.fonttype", 3)


if __name__ == "__main__":
    from kedro.framework.cli.cli import main

    write_quickly(pytest.MonkeyPatch())
    main()
