from .catalogue import block_class as block_class
from .catalogue import create as create
from .catalogue import create_block as create_block
from .clients.mix import (
    HistogramSplit as HistogramSplit,
)
from .clients.mix import (
    Rate as Rate,
)
from .clients.mix import (
    RateSplit as RateSplit,
)
from .clients.mix import (
    reweight as reweight,
)
from .clients.mix import (
    split_histograms as split_histograms,
)
from .clients.mix import (
    split_rates as split_rates,
)
from .clients.paired import (
    CanaryComparison as CanaryComparison,
)
from .clients.paired import (
    PairedDifference as PairedDifference,
)
from .clients.paired import (
    Recommendation as Recommendation,
)
from .clients.paired import (
    compare_canary as compare_canary,
)
from .clients.plausibility import (
    Claims as Claims,
)
from .clients.plausibility import (
    Finding as Finding,
)
from .clients.plausibility import (
    Implausible as Implausible,
)
from .clients.plausibility import (
    contradictions as contradictions,
)
from .clients.plausibility import (
    find_implausible as find_implausible,
)
from .clients.plausibility import (
    likenesses as likenesses,
)
from .clients.plausibility import (
    outlying as outlying,
)
from .clients.robust_merge import (
    CappedMerge as CappedMerge,
)
from .clients.robust_merge import (
    cap_factors as cap_factors,
)
from .clients.robust_merge import (
    geometric_median as geometric_median,
)
from .clients.robust_merge import (
    median_of_means as median_of_means,
)
from .clients.robust_merge import (
    merge_capped as merge_capped,
)
from .clients.robust_merge import (
    merge_robustly as merge_robustly,
)
from .clients.robust_merge import (
    merge_sums_capped as merge_sums_capped,
)
from .clients.robust_merge import (
    trimmed_mean as trimmed_mean,
)
from .errors import DetectorError as DetectorError
from .histogram import Histogram as Histogram
from .histogram import merge as merge
from .multiplicity.within_round import (
    benjamini_hochberg as benjamini_hochberg,
)
from .multiplicity.within_round import (
    benjamini_yekutieli as benjamini_yekutieli,
)
from .outcome import Outcome as Outcome
from .protocol import (
    HistogramTest as HistogramTest,
)
from .protocol import (
    SequentialDetector as SequentialDetector,
)
from .protocol import (
    TwoSampleTest as TwoSampleTest,
)
from .result import TwoSampleResult as TwoSampleResult
from .sequential.adwin import Adwin as Adwin
from .sequential.blocks.block import Block as Block
from .sequential.blocks.block import Signal as Signal
from .sequential.confidence_sequence import (
    e_value_below as e_value_below,
)
from .sequential.confidence_sequence import (
    half_width as half_width,
)
from .sequential.confidence_sequence import (
    look_share as look_share,
)
from .sequential.cusum import (
    Cusum as Cusum,
)
from .sequential.cusum import (
    cusum_average_run_length as cusum_average_run_length,
)
from .sequential.cusum import (
    cusum_threshold as cusum_threshold,
)
from .sequential.ddm import Ddm as Ddm
from .sequential.eddm import Eddm as Eddm
from .sequential.hddm import HddmA as HddmA
from .sequential.hddm import HddmW as HddmW
from .sequential.kswin import Kswin as Kswin
from .sequential.mean_eprocess import MeanEProcess as MeanEProcess
from .sequential.multiflow import MultiflowAdapter as MultiflowAdapter
from .sequential.page_hinkley import Direction as Direction
from .sequential.page_hinkley import PageHinkley as PageHinkley
from .sequential.sprt import Decision as Decision
from .sequential.sprt import Sprt as Sprt
from .series.median_shift import median_shift as median_shift
from .series.overdispersion import (
    RoundVariation as RoundVariation,
)
from .series.overdispersion import (
    effective_sample_size as effective_sample_size,
)
from .series.overdispersion import (
    estimate_variation as estimate_variation,
)
from .series.standardise import (
    Score as Score,
)
from .series.standardise import (
    Standardiser as Standardiser,
)
from .series.standardise import (
    mean_shift as mean_shift,
)
from .subjects.calibration import (
    CalibrationDrift as CalibrationDrift,
)
from .subjects.calibration import (
    calibration_drift as calibration_drift,
)
from .subjects.calibration import (
    calibration_variation as calibration_variation,
)
from .subjects.domain_classifier import (
    DomainClassification as DomainClassification,
)
from .subjects.domain_classifier import (
    FeatureEvidence as FeatureEvidence,
)
from .subjects.domain_classifier import (
    domain_classifier as domain_classifier,
)
from .subjects.importance import (
    ImportanceDrift as ImportanceDrift,
)
from .subjects.importance import (
    MovedFeature as MovedFeature,
)
from .subjects.importance import (
    importance_drift as importance_drift,
)
from .subjects.importance import (
    importance_shares as importance_shares,
)
from .subjects.outcomes import ScoredOutcomes as ScoredOutcomes
from .subjects.outcomes import merge_outcomes as merge_outcomes
from .subjects.uncertainty import (
    Uncertainty as Uncertainty,
)
from .subjects.uncertainty import (
    uncertainty_drift as uncertainty_drift,
)
from .subjects.uncertainty import (
    uncertainty_variation as uncertainty_variation,
)
from .two_sample.energy import (
    energy_distance_1d as energy_distance_1d,
)
from .two_sample.energy import (
    energy_multivariate as energy_multivariate,
)
from .two_sample.energy_histogram import energy_histogram as energy_histogram
from .two_sample.ks import ks_samples as ks_samples
from .two_sample.ks import ks_weighted as ks_weighted
from .two_sample.ks_histogram import ks_histogram as ks_histogram
from .two_sample.projections import (
    ProjectedEnergy as ProjectedEnergy,
)
from .two_sample.projections import (
    directions as directions,
)
from .two_sample.projections import (
    energy_from_projections as energy_from_projections,
)
