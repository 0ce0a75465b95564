"""Types that steps are annotated with, for type checkers only.

Their modules import libraries that are slow to load, which a command that only lists pipelines, or reports a mistake in
its options, must not wait for. When the program runs, each of these names is `Any`.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import networkx
    import plotly.graph_objects
    from matplotlib.figure import Figure as Figure
    from optuna import Trial as Trial
    from sklearn.ensemble import RandomForestClassifier as RandomForestClassifier
    from torch import Tensor as Tensor
    from transformers import EsmModel as EsmModel

    from esm2_amp.encoder.loading import Encoder as Encoder
    from esm2_amp.encoder.pretraining import Corpus as Corpus
    from esm2_amp.encoder.pretraining import MaskedLanguageModel as MaskedLanguageModel
    from esm2_amp.encoder.pretraining import Perplexities as Perplexities
    from esm2_amp.encoder.pretraining import PretrainingData as PretrainingData
    from esm2_amp.evaluation.baselines import ProteinViews as ProteinViews
    from esm2_amp.evaluation.comparison import Comparison as Comparison
    from esm2_amp.evaluation.uncertainty import Uncertainty as Uncertainty
    from esm2_amp.explanation.autoencoder import Autoencoder as Autoencoder
    from esm2_amp.explanation.drawing import Figures as Figures
    from esm2_amp.explanation.drawing import Subject as Subject
    from esm2_amp.explanation.gradients import GradientPath as GradientPath
    from esm2_amp.explanation.latent_forest import LabelledPairs as LabelledPairs
    from esm2_amp.explanation.mutation_scan import ScanStore as ScanStore
    from esm2_amp.explanation.rescoring import Rescorer as Rescorer
    from esm2_amp.explanation.residues import Profiles as Profiles
    from esm2_amp.explanation.residues import ResidueSource as ResidueSource
    from esm2_amp.features import ProteinFeatures as ProteinFeatures
    from esm2_amp.io.feature_store import FeatureIndex as FeatureIndex
    from esm2_amp.io.feature_store import FeatureShard as FeatureShard
    from esm2_amp.io.feature_store import StoreContents as StoreContents
    from esm2_amp.io.predictions import PredictionsFile as PredictionsFile
    from esm2_amp.io.published_features import PublishedFeatures as PublishedFeatures
    from esm2_amp.io.regions import RegionFile as RegionFile
    from esm2_amp.models.base import PairNetwork as PairNetwork
    from esm2_amp.models.storage import TrainedModel as TrainedModel
    from esm2_amp.models.unlikeness import TrainingVectors as TrainingVectors
    from esm2_amp.pairs import Pairs as Pairs
    from esm2_amp.prediction.checking import CheckedPairs as CheckedPairs
    from esm2_amp.prediction.scoring import Predictions as Predictions
    from esm2_amp.regions.charts import Charts as Charts
    from esm2_amp.report.parts import Section as Section
    from esm2_amp.screening.kept import Kept as Kept
    from esm2_amp.screening.kept import Watch as Watch
    from esm2_amp.screening.sureness import Sureness as Sureness
    from esm2_amp.screening.tiles import WantedPairs as WantedPairs
    from esm2_amp.splits.splitting import SplitFractions as SplitFractions
    from esm2_amp.statistics.metrics import Metrics as Metrics
    from esm2_amp.validation.proteins import CleanProteins as CleanProteins

    Network = networkx.Graph[str]
    PlotlyFigure = plotly.graph_objects.Figure
else:

    def __getattr__(name: str) -> Any:
        """Stand in for every type of a module that isn't imported."""
        if name.startswith("__"):
            raise AttributeError(name)
        return Any
