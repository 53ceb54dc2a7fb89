"""One battery that every two-sample test passes, whatever it takes two samples as.

Sequential detectors have theirs in `sequential/`, screens of many pairs in `test_battery_many.py`.
"""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors import (
    DetectorError,
    Histogram,
    KllSummary,
    TwoSampleResult,
    anderson_darling_histogram,
    anderson_darling_samples,
    anderson_darling_weighted,
    chi_square,
    cvm_histogram,
    cvm_samples,
    cvm_weighted,
    energy_histogram,
    energy_multivariate,
    energy_samples,
    energy_sketch,
    g_test,
    ks_histogram,
    ks_samples,
    ks_sketch,
    ks_weighted,
    mann_whitney_histogram,
    mann_whitney_samples,
    mann_whitney_sketch,
    mann_whitney_weighted,
    mean_shift,
    median_shift,
    merge,
    wasserstein_histogram,
    wasserstein_samples,
    wasserstein_sketch,
    wasserstein_weighted,
)
from detectors.errors import (
    BadParameterError,
    EdgesDifferError,
    EmptySampleError,
    NegativeCountError,
    NotFiniteError,
    NotOrderedError,
    OutOfRangeError,
)

Test = Callable[..., TwoSampleResult]
EDGES = np.linspace(-4.0, 4.0, 17)
FIFTHS = np.array([-8.0, -0.84, -0.25, 0.25, 0.84, 8.0])  # of a normal distribution


@dataclass(frozen=True)
class Entry:
    """A test on two samples, their sizes, and what may be asked of it.

    `effect_scales` with the unit; `conservative` where p-values are not uniform but larger;
    `permuted` where they come from seeded permutations, which shuffle what they are given; `tossed`
    where sketching throws coins that have no seed; `weighs_rounds` where one constant is no spread.
    """

    name: str
    test: Test
    sizes: tuple[int, int] = (60, 60)
    effect_scales: bool = False
    conservative: bool = False
    permuted: bool = False
    tossed: bool = False
    weighs_rounds: bool = False


def binned(
    test: Test,
    x,
    y,
    *,
    shift: float = 0.0,
    scale: float = 1.0,
    edges: np.ndarray = EDGES,
    **levels: float,
) -> TwoSampleResult:
    moved = edges * scale + shift
    return test(Histogram.of_values(x, moved), Histogram.of_values(y, moved), **levels)


def sketched(
    test: Test, x, y, *, shift: float = 0.0, scale: float = 1.0, **levels: float
) -> TwoSampleResult:
    return test(KllSummary.of_values(x), KllSummary.of_values(y), **levels)


def plain(
    test: Test, x, y, *, shift: float = 0.0, scale: float = 1.0, **levels: float
) -> TwoSampleResult:
    return test(x, y, **levels)


BATTERY = [
    Entry("ks-samples", partial(plain, ks_samples)),
    Entry("ks-weighted", partial(plain, ks_weighted)),
    Entry("ks-histogram", partial(binned, ks_histogram), conservative=True),
    Entry("energy-histogram", partial(binned, energy_histogram), effect_scales=True),
    Entry(
        "energy-multivariate",
        partial(plain, partial(energy_multivariate, permutations=199)),
        effect_scales=True,
        permuted=True,
    ),
    Entry("cvm-samples", partial(plain, cvm_samples)),
    Entry("cvm-weighted", partial(plain, cvm_weighted)),
    Entry("anderson-darling-samples", partial(plain, anderson_darling_samples)),
    Entry("anderson-darling-weighted", partial(plain, anderson_darling_weighted)),
    Entry("mann-whitney-samples", partial(plain, mann_whitney_samples)),
    Entry("mann-whitney-weighted", partial(plain, mann_whitney_weighted)),
    Entry("wasserstein-samples", partial(plain, wasserstein_samples), effect_scales=True),
    Entry("wasserstein-weighted", partial(plain, wasserstein_weighted), effect_scales=True),
    Entry(
        "energy-samples",
        partial(plain, partial(energy_samples, permutations=199)),
        effect_scales=True,
        permuted=True,
    ),
    Entry("cvm-histogram", partial(binned, cvm_histogram)),
    Entry("anderson-darling-histogram", partial(binned, anderson_darling_histogram)),
    Entry("mann-whitney-histogram", partial(binned, mann_whitney_histogram)),
    Entry("wasserstein-histogram", partial(binned, wasserstein_histogram), effect_scales=True),
    Entry(
        "mean-shift", partial(plain, mean_shift), (10, 3), effect_scales=True, weighs_rounds=True
    ),
    Entry(
        "median-shift",
        partial(plain, median_shift),
        (10, 3),
        effect_scales=True,
        weighs_rounds=True,
    ),
    Entry("chi-square", partial(binned, chi_square, edges=FIFTHS)),
    Entry("g", partial(binned, g_test, edges=FIFTHS)),
    Entry("ks-sketch-of-all-values", partial(sketched, ks_sketch)),
    *(
        Entry(
            test.__name__.replace("_", "-"),
            partial(sketched, test),
            (3_000, 2_000),
            effect_scales=test in {wasserstein_sketch, energy_sketch},
            conservative=True,
            tossed=True,
        )
        for test in (ks_sketch, mann_whitney_sketch, wasserstein_sketch, energy_sketch)
    ),
]


def those(*, without: str) -> pytest.MarkDecorator:
    """Parametrise over all entries but those that have the capability."""
    kept = [entry for entry in BATTERY if not getattr(entry, without)]
    return pytest.mark.parametrize("entry", kept, ids=lambda entry: entry.name)


every = pytest.mark.parametrize("entry", BATTERY, ids=[entry.name for entry in BATTERY])


def drawn(entry: Entry, seed: int, shift: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.normal(size=entry.sizes[0]), rng.normal(shift, size=entry.sizes[1])


@every
def test_identical_samples_do_not_alarm(entry):
    x = np.linspace(-2, 2, 11)
    result = entry.test(x, x)
    assert result.statistic == pytest.approx(0, abs=1e-12)
    assert result.effect == pytest.approx(0, abs=1e-12)
    assert result.p_value > 0.99


@those(without="weighs_rounds")
def test_constant_samples_do_not_alarm(entry):
    result = entry.test(np.ones(9), np.ones(12))
    assert result.p_value == 1
    assert result.minimum_detectable_effect >= 0


@every
def test_false_alarms_are_as_rare_as_asked_for(entry):
    p_values = np.array([entry.test(*drawn(entry, seed)).p_value for seed in range(200)])
    for level in (0.05, 0.2):
        band = 3 * np.sqrt(level * (1 - level) / p_values.size)
        assert np.mean(p_values <= level) <= level + band
        assert entry.conservative or np.mean(p_values <= level) >= level - band


@every
def test_a_large_shift_is_found(entry):
    result = entry.test(*drawn(entry, 1, shift=6.0))
    assert result.p_value < 0.01
    assert result.effect > result.minimum_detectable_effect


@every
def test_every_field_is_there_and_finite(entry):
    for seed in range(20):
        result = entry.test(*drawn(entry, seed, shift=seed / 5))
        fields = asdict(result)
        assert fields.pop("detector")
        assert fields.pop("effect_unit") == ("subject" if entry.effect_scales else "probability")
        assert np.isfinite(list(fields.values())).all()
        assert 0 <= result.p_value <= 1
        assert min(result.minimum_detectable_effect, result.error_bound) >= 0
        assert min(result.n_reference, result.n_current) > 0


@those(without="tossed")
def test_the_same_samples_give_the_same_result(entry):
    pair = drawn(entry, 2, shift=0.4)
    assert entry.test(*pair) == entry.test(*pair)


@every
def test_less_power_or_more_alarms_need_a_smaller_change(entry):
    pair = drawn(entry, 5)
    usual, careful, hasty = (
        entry.test(*pair, **level).minimum_detectable_effect
        for level in ({}, {"power": 0.95}, {"alpha": 0.2})
    )
    assert hasty <= usual <= careful


@those(without="tossed")
@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**16), shift=st.integers(-64, 64), power=st.integers(-6, 6))
def test_shift_and_scale_change_the_unit_only(entry, seed, shift, power):
    x, y = (np.round(values, 2) for values in drawn(entry, seed))
    scale = 2.0**power
    before = entry.test(x, y)
    after = entry.test(x * scale + shift, y * scale + shift, shift=shift, scale=scale)
    unit = scale if entry.effect_scales else 1.0
    assert after.p_value == pytest.approx(before.p_value, rel=1e-6)
    assert after.effect == pytest.approx(before.effect * unit, rel=1e-6, abs=1e-9)
    detectable = before.minimum_detectable_effect * unit
    assert after.minimum_detectable_effect == pytest.approx(detectable, rel=1e-4)


@pytest.mark.parametrize(
    "entry", [e for e in BATTERY if not (e.permuted or e.tossed)], ids=lambda e: e.name
)
@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**16))
def test_the_order_of_values_does_not_matter(entry, seed):
    x, y = drawn(entry, seed)
    rng = np.random.default_rng(seed)
    before, after = entry.test(x, y), entry.test(rng.permutation(x), rng.permutation(y))
    assert after.statistic == pytest.approx(before.statistic, abs=1e-12)
    assert after.p_value == pytest.approx(before.p_value, rel=1e-9)


@every
@pytest.mark.parametrize("side", [0, 1])
@pytest.mark.parametrize(
    ("bad", "error"),
    [
        ([], EmptySampleError),
        ([1.0, np.nan, 2.0], NotFiniteError),
        ([1.0, np.inf, 2.0], NotFiniteError),
        ([1.0, 1e200, 2.0], OutOfRangeError),
    ],
)
def test_bad_samples_are_refused_by_name(entry, side, bad, error):
    pair = [np.arange(9.0), np.arange(9.0)]
    pair[side] = np.array(bad)
    with pytest.raises(error):
        entry.test(*pair)


ORDERED_TESTS = [
    ks_histogram,
    cvm_histogram,
    anderson_darling_histogram,
    mann_whitney_histogram,
    wasserstein_histogram,
]
HISTOGRAM_TESTS = [*ORDERED_TESTS, energy_histogram]
UNORDERED_TESTS = [energy_histogram, chi_square, g_test]
CATEGORICAL_TESTS = [chi_square, g_test]


@pytest.mark.parametrize("test", [*HISTOGRAM_TESTS, *CATEGORICAL_TESTS])
def test_different_bins_are_refused(test):
    one, other = Histogram([0, 1, 2], [3, 4]), Histogram([0, 1, 3], [3, 4])
    with pytest.raises(EdgesDifferError):
        test(one, other)
    with pytest.raises(EdgesDifferError):
        test(Histogram.of_categories([3, 4]), Histogram([0, 1, 2], [3, 4]))


def test_negative_counts_need_declared_noise():
    with pytest.raises(NegativeCountError):
        Histogram([0, 1, 2], [-1, 4])
    assert Histogram([0, 1, 2], [-1, 4], noise_sd=1.0).total == 3


@pytest.mark.parametrize("test", ORDERED_TESTS)
def test_categories_that_have_no_order_are_refused(test):
    counts = Histogram.of_categories([3, 4, 5])
    with pytest.raises(NotOrderedError):
        test(counts, counts)


@pytest.mark.parametrize("test", [*HISTOGRAM_TESTS, *CATEGORICAL_TESTS])
@settings(max_examples=25, deadline=None)
@given(
    clients=st.lists(
        st.lists(st.integers(0, 50), min_size=4, max_size=4), min_size=2, max_size=6
    ).filter(lambda clients: sum(map(sum, clients)) > 0),
    seed=st.integers(0, 2**16),
)
def test_the_order_of_merging_does_not_matter(test, clients, seed):
    edges, other = [0, 1, 2, 4, 8], Histogram([0, 1, 2, 4, 8], [5, 9, 2, 2])
    parts = [Histogram(edges, counts) for counts in clients]
    shuffled = [parts[i] for i in np.random.default_rng(seed).permutation(len(parts))]
    stepwise = shuffled[0]
    for part in shuffled[1:]:
        stepwise = merge((stepwise, part))
    assert test(other, merge(parts)) == test(other, stepwise)


@pytest.mark.parametrize("test", UNORDERED_TESTS)
@settings(max_examples=25, deadline=None)
@given(order=st.permutations(range(4)))
def test_the_order_of_categories_does_not_matter(test, order):
    p, q = np.array([40.0, 30, 20, 10]), np.array([25.0, 30, 20, 25])
    before = test(Histogram.of_categories(p), Histogram.of_categories(q))
    after = test(*(Histogram.of_categories(counts[list(order)]) for counts in (p, q)))
    assert after.statistic == pytest.approx(before.statistic)
    assert after.p_value == pytest.approx(before.p_value)


@pytest.mark.parametrize("test", CATEGORICAL_TESTS)
def test_declared_noise_is_refused_where_it_is_not_allowed_for(test):
    noised = Histogram.of_categories([3, 4, 5], noise_sd=1.0)
    with pytest.raises(BadParameterError):
        test(noised, Histogram.of_categories([3, 4, 5]))


@pytest.mark.parametrize("test", HISTOGRAM_TESTS)
@pytest.mark.parametrize("noise_sd", [2.0, 20.0])
def test_declared_noise_does_not_alarm(test, noise_sd):
    rng = np.random.default_rng(3)

    def noised() -> Histogram:
        counts = rng.multinomial(2000, np.full(16, 1 / 16)) + rng.normal(0, noise_sd, 16)
        return Histogram(EDGES, counts, noise_sd=noise_sd)

    p_values = np.array([test(noised(), noised()).p_value for _ in range(200)])
    assert np.mean(p_values <= 0.05) <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 200)


def test_every_refusal_is_a_detector_error():
    from detectors import errors

    classes = [c for c in vars(errors).values() if isinstance(c, type)]
    assert len(classes) > 10
    assert all(issubclass(c, DetectorError) for c in classes)
