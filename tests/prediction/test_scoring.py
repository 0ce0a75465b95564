"""Predictions of checked pairs: each row as a pair in memory has it, whatever happens to the process."""

import errno
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from esm2_amp.errors import InputError
from esm2_amp.io.predictions import PredictionsDataset
from esm2_amp.models.registry import MODELS, build_network
from esm2_amp.models.scoring import score_pairs
from esm2_amp.pairs import Pairs
from esm2_amp.parameters.model_training import MeanParameters
from esm2_amp.prediction.checking import AllPairs, FoundProteins, PairCheck, match_proteins
from esm2_amp.prediction.scoring import Decision, Predictions, score_parts
from esm2_amp.screening.rows import RowScorer
from esm2_amp.statistics.metrics import sigmoid

CPU = torch.device("cpu")
ENTRIES = [f"P{number}" for number in range(40)]
