"""Colours can be told from the page and from each other."""

import itertools

import numpy as np
import pytest
from matplotlib.colors import to_rgb

from esm2_amp.figures.palette import COLOURS, GREY

DARK_PAGE = "#14171b"
"""Of `templates/report.css`."""

# Machado et al. 2009, of full severity
BLINDNESS = {
    "none": np.eye(3),
    "protanopia": np.array([[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216],
                            [-0.003882, -0.048116, 1.051998]]),
    "deuteranopia": np.array([[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413],
                              [-0.011820, 0.042940, 0.968881]]),
}  # fmt: skip


def linear(colour):
    values = np.array(to_rgb(colour))
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def contrast(first, second):
    """WCAG 2.2, contrast ratio."""
    light, dark = sorted((linear(colour) @ [0.2126, 0.7152, 0.0722] for colour in (first, second)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def lab(values):
    to_xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    xyz = to_xyz @ values / [0.9505, 1, 1.089]
    x, y, z = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


@pytest.mark.parametrize("colour", [*COLOURS, GREY])
def test_colour_is_seen_on_white(colour):
    assert contrast(colour, "white") >= 3


@pytest.mark.parametrize("colour", [*COLOURS[:-1], GREY])
def test_colour_of_an_interactive_plot_is_seen_on_a_dark_page(colour):
    assert contrast(colour, DARK_PAGE) >= 3


@pytest.mark.parametrize("blindness", BLINDNESS)
def test_no_two_colours_look_alike(blindness):
    seen = [lab(np.clip(BLINDNESS[blindness] @ linear(colour), 0, 1)) for colour in COLOURS]
    assert min(np.linalg.norm(a - b) for a, b in itertools.combinations(seen, 2)) > 25
