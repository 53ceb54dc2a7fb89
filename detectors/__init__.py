"""Drift detectors: arrays in, results out. Nothing of the service is in here.

Importing is light: river and dcor are imported by the detectors that use them.
"""

from detectors.catalogue import create
from detectors.clients.mix import (
    HistogramSplit,
    Rate,
    RateSplit,
    reweight,
    split_histograms,
    split_rates,
)
from detectors.clients.paired import (
    CanaryComparison,
    PairedDifference,
    Recommendation,
    compare_canary,
)
from detectors.errors import DetectorError
from detectors.histogram import Histogram, merge
from detectors.multiplicity.within_round import benjamini_hochberg, benjamini_yekutieli
from detectors.outcome import Outcome
from detectors.protocol import HistogramTest, SequentialDetector, TwoSampleTest
from detectors.result import TwoSampleResult
from detectors.sequential.adwin import Adwin
from detectors.sequential.multiflow import MultiflowAdapter
from detectors.sequential.page_hinkley import Direction, PageHinkley
from detectors.series.median_shift import median_shift
from detectors.series.overdispersion import (
    RoundVariation,
    effective_sample_size,
    estimate_variation,
)
from detectors.series.standardise import Score, Standardiser, mean_shift
from detectors.two_sample.energy import energy_distance_1d, energy_multivariate
from detectors.two_sample.energy_histogram import energy_histogram
from detectors.two_sample.ks import ks_histogram, ks_samples, ks_weighted
from detectors.two_sample.projections import ProjectedEnergy, directions, energy_from_projections

__all__ = [
    "Adwin",
    "CanaryComparison",
    "DetectorError",
    "Direction",
    "Histogram",
    "HistogramSplit",
    "HistogramTest",
    "MultiflowAdapter",
    "Outcome",
    "PageHinkley",
    "PairedDifference",
    "ProjectedEnergy",
    "Rate",
    "RateSplit",
    "Recommendation",
    "RoundVariation",
    "Score",
    "SequentialDetector",
    "Standardiser",
    "TwoSampleResult",
    "TwoSampleTest",
    "benjamini_hochberg",
    "benjamini_yekutieli",
    "compare_canary",
    "create",
    "directions",
    "effective_sample_size",
    "energy_distance_1d",
    "energy_from_projections",
    "energy_histogram",
    "energy_multivariate",
    "estimate_variation",
    "ks_histogram",
    "ks_samples",
    "ks_weighted",
    "mean_shift",
    "median_shift",
    "merge",
    "reweight",
    "split_histograms",
    "split_rates",
]
