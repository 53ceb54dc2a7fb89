"""Drift detectors: arrays in, results out. Nothing of the service is in here.

Importing is light: river and dcor are imported by the detectors that use them.
"""

from detectors.adwin import Adwin
from detectors.catalogue import create
from detectors.energy import energy_distance_1d, energy_multivariate
from detectors.energy_histogram import energy_histogram
from detectors.errors import DetectorError
from detectors.histogram import Histogram, merge
from detectors.ks import ks_histogram, ks_samples, ks_weighted
from detectors.median_shift import median_shift
from detectors.mix import (
    HistogramSplit,
    Rate,
    RateSplit,
    reweight,
    split_histograms,
    split_rates,
)
from detectors.multiflow import MultiflowAdapter
from detectors.multiplicity import benjamini_hochberg, benjamini_yekutieli
from detectors.outcome import Outcome
from detectors.overdispersion import RoundVariation, effective_sample_size, estimate_variation
from detectors.page_hinkley import Direction, PageHinkley
from detectors.paired import CanaryComparison, PairedDifference, Recommendation, compare_canary
from detectors.projections import ProjectedEnergy, directions, energy_from_projections
from detectors.protocol import HistogramTest, SequentialDetector, TwoSampleTest
from detectors.result import TwoSampleResult
from detectors.standardise import Score, Standardiser, mean_shift

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
