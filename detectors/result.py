"""What a two-sample test answers with."""

from dataclasses import dataclass

PROBABILITY = "probability"
SUBJECT = "subject"


@dataclass(frozen=True)
class TwoSampleResult:
    """One test's answer, complete enough to be a verdict's evidence.

    `statistic` is the test's own; `p_value` the chance of one as large or larger where nothing
    changed. `effect` says how much changed in `effect_unit`: "probability" for a gap between 0
    and 1, "subject" for the unit that the values were measured in. `minimum_detectable_effect`
    is, in the same unit, the smallest change that the test would have found with the power asked
    for. `n_reference` and `n_current` are the sizes the test worked with, effective ones where
    observations were weighted. `error_bound` is how far the statistic can lie from that of the
    values themselves because they were binned, sketched or noised: a hard bound for bins, at 95%
    for sketches and noise, 0 where the values were seen.
    """

    detector: str
    statistic: float
    p_value: float
    effect: float
    effect_unit: str
    minimum_detectable_effect: float
    n_reference: float
    n_current: float
    error_bound: float = 0.0
