"""The Python interface gives what the pipelines write."""

import doctest
import logging

import numpy as np
import pandas as pd

import esm2_amp
from conftest import ROOT
from esm2_amp import interface


def test_examples_of_the_documentation(monkeypatch):
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(logging.getLogger("esm2_amp"), "disabled", True)
    monkeypatch.setattr(logging.root, "handlers", [])  # their lines would count as output of the examples
    found = doctest.testmod(interface, optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
    assert found.attempted
    assert not found.failed


def test_scores_do_not_depend_on_the_order_of_the_proteins(monkeypatch):
    monkeypatch.chdir(ROOT)
    sequences = {"A": "MKTAYIAKQRQISFVKSHFSRQ", "B": "MALWMRLLPLLALLALWGPDPA", "C": "MKSIYFVAGLFVMLVQGSWQRS"}
    pairs = [("A", "B"), ("B", "C")]
    one, other = (
        esm2_amp.predict({name: sequences[name] for name in order}, pairs, model="ppi_mini") for order in ("ABC", "CBA")
    )
    assert one[["Protein1", "Protein2"]].to_numpy().tolist() == [list(pair) for pair in pairs]
    np.testing.assert_allclose(one["Probability"], other["Probability"], rtol=1e-5)
    assert pd.api.types.is_float_dtype(one["Probability"])
