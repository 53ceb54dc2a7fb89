"""How often each test calls drift where nothing changed, beside what was asked for.

`python -m benchmarks.calibration --json`. A row holds if its false-alarm rate at the nominal level
is at most the upper end of the Monte-Carlo band, three standard errors; tests that are exact for
metrics (the last rows) must reach the lower end, too. Both sides are drawn from one distribution;
the noise is Laplace's, of scale 1 / epsilon on every count of both sides.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial

import numpy as np

from benchmarks.harness import Case, Row, main
from benchmarks.rows import calibration_series
from detectors import (
    Histogram,
    TwoSampleResult,
    anderson_darling_histogram,
    anderson_darling_samples,
    cvm_histogram,
    cvm_samples,
    energy_histogram,
    energy_samples,
    ks_histogram,
    ks_samples,
    mann_whitney_histogram,
    mann_whitney_samples,
    wasserstein_histogram,
    wasserstein_samples,
)
from detectors.arrays import FloatArray
from detectors.errors import EmptySampleError, TooNoisyError

LEVELS = (0.01, 0.05)
SIZES = (30, 1_000, 1_000_000)
BINS = (8, 50, 200)
EPSILONS = (0.5, 1.0, 4.0, None)
REPEATS, SEED = 300, 20_261_121
SAMPLE_REPEATS = {30: 2_000, 300: 1_000, 3_000: 400}
Test = Callable[[Histogram, Histogram], TwoSampleResult]

ON_BINS: dict[str, Test] = {
    "KS": ks_histogram,
    "Cramer-von Mises": cvm_histogram,
    "Anderson-Darling": anderson_darling_histogram,
    "Mann-Whitney": mann_whitney_histogram,
    "Wasserstein-1": wasserstein_histogram,
    "energy": energy_histogram,
}
ON_SAMPLES: dict[str, Callable[[FloatArray, FloatArray], TwoSampleResult]] = {
    "KS": ks_samples,
    "Cramer-von Mises": cvm_samples,
    "Anderson-Darling": anderson_darling_samples,
    "Mann-Whitney": mann_whitney_samples,
    "Wasserstein-1": wasserstein_samples,
    "energy": partial(energy_samples, permutations=199),
}


@dataclass(frozen=True)
class Setting:
    """A cell of the table: examples a side, bins, and the privacy of every count."""

    n: int
    bins: int
    epsilon: float | None

    def __str__(self) -> str:
        noise = "no noise" if self.epsilon is None else f"epsilon {self.epsilon:g}"
        return f"n {self.n:,}, {self.bins} bins, {noise}"

    def draw(self, rng: np.random.Generator) -> Histogram:
        """Counts of a bell-shaped distribution, noised."""
        middle = (np.arange(self.bins) + 0.5) / self.bins
        shares = np.exp(-8 * (middle - 0.4) ** 2)
        counts = rng.multinomial(self.n, shares / shares.sum()).astype(np.float64)
        edges = np.linspace(0.0, 1.0, self.bins + 1)
        if self.epsilon is None:
            return Histogram(edges, counts)
        scale = 1 / self.epsilon
        counts += rng.laplace(scale=scale, size=self.bins)
        return Histogram(edges, counts, noise_sd=float(np.sqrt(2) * scale))


def _on_bins(name: str, setting: Setting) -> Iterable[Row]:
    rng = np.random.default_rng([SEED, setting.n, setting.bins])
    answers = [_p_value(ON_BINS[name], setting, rng) for _ in range(REPEATS)]
    p_values = np.array([answer for answer in answers if answer is not None])
    if p_values.size < REPEATS // 2:
        yield Row(
            f"{name}, {setting}: refused as too noisy",
            REPEATS - p_values.size,
            REPEATS,
            "of all",
            1.0,
            0.0,
            True,
        )
        return
    yield from _rates(f"{name} on bins, {setting}", p_values)


def _p_value(test: Test, setting: Setting, rng: np.random.Generator) -> float | None:
    """Return None where noise drowns the counts, and the test says so."""
    try:
        return test(setting.draw(rng), setting.draw(rng)).p_value
    except (EmptySampleError, TooNoisyError):
        return None


def _on_samples(name: str, n: int) -> Iterable[Row]:
    rng = np.random.default_rng([SEED, n])
    pairs = (rng.normal(size=(2, n)) for _ in range(SAMPLE_REPEATS[n]))
    p_values = np.array([ON_SAMPLES[name](x, y).p_value for x, y in pairs])
    yield from _rates(f"{name} on samples, n {n:,}", p_values)


def _rates(what: str, p_values: FloatArray) -> Iterable[Row]:
    for level in LEVELS:
        rate = float(np.mean(p_values <= level))
        limit = level + 3 * np.sqrt(level * (1 - level) / p_values.size)
        ratio = limit / rate if rate else float("inf")
        yield Row(f"{what}, nominal {level:.0%}", rate, limit, "rate", ratio, 1.0, rate <= limit)


def _cases() -> Iterable[Case]:
    for name in ON_SAMPLES:
        for n in SAMPLE_REPEATS:
            yield Case(f"{name} on samples, n {n:,}", partial(_on_samples, name, n))
    for name in ON_BINS:
        for setting in _settings():
            yield Case(f"{name} on bins, {setting}", partial(_on_bins, name, setting))
    yield from calibration_series.CASES


def _settings() -> Iterable[Setting]:
    return (Setting(n, bins, eps) for n in SIZES for bins in BINS for eps in EPSILONS)


CASES = list(_cases())

if __name__ == "__main__":
    main("calibration", CASES)
