"""One battery that every detector passes: two-sample tests first, then sequential detectors."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors import (
    Adwin,
    DetectorError,
    Histogram,
    MultiflowAdapter,
    PageHinkley,
    SequentialDetector,
    TwoSampleResult,
    anderson_darling_histogram,
    anderson_darling_samples,
    anderson_darling_weighted,
    create,
    cvm_histogram,
    cvm_samples,
    cvm_weighted,
    energy_histogram,
    energy_multivariate,
    energy_samples,
    ks_histogram,
    ks_samples,
    ks_weighted,
    mann_whitney_histogram,
    mann_whitney_samples,
    mann_whitney_weighted,
    mean_shift,
    median_shift,
    merge,
    wasserstein_histogram,
    wasserstein_samples,
    wasserstein_weighted,
)
from detectors.errors import (
    EdgesDifferError,
    EmptySampleError,
    NegativeCountError,
    NotFiniteError,
    NotOrderedError,
    OutOfRangeError,
)

Test = Callable[..., TwoSampleResult]
EDGES = np.linspace(-4.0, 4.0, 17)


@dataclass(frozen=True)
class Entry:
    """A test on two samples, their sizes, and how the effect answers to shift and scale."""

    name: str
    test: Test
    sizes: tuple[int, int] = (60, 60)
    effect_scales: bool = False
    conservative: bool = False


def binned(test: Test, x, y, *, shift: float = 0.0, scale: float = 1.0) -> TwoSampleResult:
    edges = EDGES * scale + shift
    return test(Histogram.of_values(x, edges), Histogram.of_values(y, edges))


def plain(test: Test, x, y, *, shift: float = 0.0, scale: float = 1.0) -> TwoSampleResult:
    return test(x, y)


BATTERY = [
    Entry("ks-samples", partial(plain, ks_samples)),
    Entry("ks-weighted", partial(plain, ks_weighted)),
    Entry("ks-histogram", partial(binned, ks_histogram), conservative=True),
    Entry("energy-histogram", partial(binned, energy_histogram), effect_scales=True),
    Entry(
        "energy-multivariate",
        partial(plain, partial(energy_multivariate, permutations=199)),
        effect_scales=True,
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
    ),
    Entry("cvm-histogram", partial(binned, cvm_histogram)),
    Entry("anderson-darling-histogram", partial(binned, anderson_darling_histogram)),
    Entry("mann-whitney-histogram", partial(binned, mann_whitney_histogram)),
    Entry("wasserstein-histogram", partial(binned, wasserstein_histogram), effect_scales=True),
    Entry("mean-shift", partial(plain, mean_shift), (10, 3), effect_scales=True),
    Entry("median-shift", partial(plain, median_shift), (10, 3), effect_scales=True),
]
# Their p-values come from seeded permutations, which shuffle what they are given.
PERMUTED = {"energy-multivariate", "energy-samples"}
every = pytest.mark.parametrize("entry", BATTERY, ids=[entry.name for entry in BATTERY])
UNITLESS = [entry.name for entry in BATTERY if entry.name not in {"mean-shift", "median-shift"}]


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


@pytest.mark.parametrize("entry", [e for e in BATTERY if e.name in UNITLESS], ids=UNITLESS)
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
def test_every_number_is_finite_and_in_range(entry):
    for seed in range(20):
        result = entry.test(*drawn(entry, seed, shift=seed / 5))
        assert 0 <= result.p_value <= 1
        numbers = (result.statistic, result.effect, result.minimum_detectable_effect)
        assert np.isfinite(numbers).all()


@every
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
    "entry", [e for e in BATTERY if e.name not in PERMUTED], ids=lambda e: e.name
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


@pytest.mark.parametrize("test", HISTOGRAM_TESTS)
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


@pytest.mark.parametrize("test", HISTOGRAM_TESTS)
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


@settings(max_examples=25, deadline=None)
@given(order=st.permutations(range(4)))
def test_the_order_of_categories_does_not_matter(order):
    p, q = np.array([40.0, 30, 20, 10]), np.array([25.0, 30, 20, 25])
    before = energy_histogram(Histogram.of_categories(p), Histogram.of_categories(q))
    permuted = [Histogram.of_categories(counts[list(order)]) for counts in (p, q)]
    after = energy_histogram(*permuted)
    assert after.statistic == pytest.approx(before.statistic)
    assert after.p_value == pytest.approx(before.p_value)


@pytest.mark.parametrize("test", HISTOGRAM_TESTS)
@pytest.mark.parametrize("noise_sd", [2.0, 20.0])
def test_declared_noise_does_not_alarm(test, noise_sd):
    rng = np.random.default_rng(3)

    def noised() -> Histogram:
        counts = rng.multinomial(2000, np.full(16, 1 / 16)) + rng.normal(0, noise_sd, 16)
        return Histogram(EDGES, counts, noise_sd=noise_sd)

    p_values = np.array([test(noised(), noised()).p_value for _ in range(200)])
    assert np.mean(p_values <= 0.05) <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 200)


class MeanJump:
    """A toy with scikit-multiflow's API: alarms where a value is 5 above the mean so far."""

    def __init__(self, jump: float = 5.0) -> None:
        self.jump = jump
        self.reset()

    def reset(self) -> None:
        self.count, self.mean, self.change, self.warning = 0, 0.0, False, False

    def add_element(self, value: float) -> None:
        departure = value - self.mean
        self.change = self.count > 0 and departure > self.jump
        self.warning = self.count > 0 and departure > self.jump - 1
        self.count += 1
        self.mean += departure / self.count

    def detected_change(self) -> bool:
        return self.change

    def detected_warning_zone(self) -> bool:
        return self.warning


SEQUENTIAL: dict[str, Callable[[], SequentialDetector]] = {
    "adwin": lambda: Adwin(clock=1),
    "page-hinkley": lambda: PageHinkley(delta=0.5),
    "multiflow": lambda: MultiflowAdapter(MeanJump()),
    "mean-eprocess": lambda: create("mean-eprocess"),
}
each = pytest.mark.parametrize("make", SEQUENTIAL.values(), ids=SEQUENTIAL.keys())


def alarms(detector: SequentialDetector, stream) -> list[int]:
    found = []
    for index, value in enumerate(stream):
        detector.update(value)
        if detector.drift_detected:
            found.append(index)
    return found


@each
def test_a_detector_keeps_the_protocol(make):
    detector = make()
    assert isinstance(detector, SequentialDetector)
    assert detector.drift_detected is False
    assert detector.warning_detected is False


@each
@pytest.mark.parametrize("value", [0.0, 1e-3, -7.0, 1e6])
def test_a_constant_stream_does_not_alarm(make, value):
    assert alarms(make(), [value] * 300) == []


@each
def test_standard_noise_seldom_alarms(make):
    rng = np.random.default_rng(11)
    streams = [rng.normal(size=500) for _ in range(20)]
    assert sum(bool(alarms(make(), stream)) for stream in streams) <= 3


@each
def test_a_jump_alarms_once_and_soon(make):
    rng = np.random.default_rng(12)
    stream = np.concatenate((rng.normal(size=200), rng.normal(10, size=100)))
    found = alarms(make(), stream)
    assert found
    assert 200 <= found[0] <= 210


@each
def test_reset_forgets_everything(make):
    rng = np.random.default_rng(13)
    stream = np.concatenate((rng.normal(size=100), rng.normal(10, size=100)))
    detector = make()
    first = alarms(detector, stream)
    detector.reset()
    assert detector.drift_detected is False
    assert alarms(detector, stream) == first


@each
@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_a_value_that_is_not_finite_is_refused_and_leaves_no_trace(make, value):
    rng = np.random.default_rng(14)
    stream = np.concatenate((rng.normal(size=100), rng.normal(10, size=50)))
    undisturbed, disturbed = make(), make()
    for item in stream[:50]:
        undisturbed.update(item)
        disturbed.update(item)
    with pytest.raises(NotFiniteError):
        disturbed.update(value)
    assert alarms(disturbed, stream[50:]) == alarms(undisturbed, stream[50:])


def test_every_refusal_is_a_detector_error():
    from detectors import errors

    classes = [c for c in vars(errors).values() if isinstance(c, type)]
    assert len(classes) > 10
    assert all(issubclass(c, DetectorError) for c in classes)
