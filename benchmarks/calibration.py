"""How often each two-sample test calls drift where nothing changed, beside what was asked for.

`python -m benchmarks.calibration --json`; `--only "KS on bins"` runs one test on one kind of data.

`ours` is the share of repeats with a p-value of at most 1% or 5%. Every row names its repeats and
its Monte-Carlo band: the binomial quantiles that leave 1 in 20,000 on either side, so that of all
rows together, some 500, a right table has one out of its band in 1 of 20 runs. A row holds if the
rate lies in the band; where the p-value is an upper bound by nature, the row says why, and holds if
the rate does not pass the band. Both sides are drawn from one distribution. Noise is Laplace's, of
scale 1 / epsilon on every count of both sides; where it drowns the counts the defined answer is
TooNoisyError, and the row says so. Large samples come in increasing order, as the spacings of a
Poisson process: the order means nothing, and sorting is most of the time.
"""

import os
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache, partial
from itertools import product
from multiprocessing import get_context

import numpy as np
import scipy

import detectors
from benchmarks.harness import Case, Row, at_least, main
from benchmarks.rows import calibration_series
from detectors import Histogram, TwoSampleResult
from detectors.arrays import FloatArray
from detectors.errors import EmptySampleError, TooNoisyError

LEVELS, OUTSIDE, SEED = (0.01, 0.05), 5e-5, 20_261_121
Test = Callable[..., TwoSampleResult]
Draw = Callable[[np.random.Generator], tuple[object, ...]]

ON_BINS: dict[str, Test] = {
    "KS": detectors.ks_histogram,
    "Cramer-von Mises": detectors.cvm_histogram,
    "Anderson-Darling": detectors.anderson_darling_histogram,
    "Mann-Whitney": detectors.mann_whitney_histogram,
    "Wasserstein-1": detectors.wasserstein_histogram,
    "energy": detectors.energy_histogram,
}
ON_SAMPLES: dict[str, Test] = {
    "KS": detectors.ks_samples,
    "Cramer-von Mises": detectors.cvm_samples,
    "Anderson-Darling": detectors.anderson_darling_samples,
    "Mann-Whitney": detectors.mann_whitney_samples,
    "Wasserstein-1": detectors.wasserstein_samples,
    "energy": partial(detectors.energy_samples, permutations=199),
}
ON_WEIGHTED: dict[str, Test] = {
    "KS": detectors.ks_weighted,
    "Cramer-von Mises": detectors.cvm_weighted,
    "Anderson-Darling": detectors.anderson_darling_weighted,
    "Mann-Whitney": detectors.mann_whitney_weighted,
    "Wasserstein-1": detectors.wasserstein_weighted,
    "energy": partial(detectors.energy_multivariate, permutations=199),
}
ON_SKETCHES: dict[str, Test] = {
    "KS": detectors.ks_sketch,
    "Mann-Whitney": detectors.mann_whitney_sketch,
    "Wasserstein-1": detectors.wasserstein_sketch,
    "energy": detectors.energy_sketch,
}
SAMPLE_REPEATS = {30: 1_000, 1_000: 400, 30_000: 200, 1_000_000: 30}
WEIGHTED_REPEATS = {30: 400, 300: 200, 30_000: 100, 1_000_000: 30}
SKETCH_REPEATS = {30: 400, 1_000: 200, 30_000: 100, 1_000_000: 30}
BIN_REPEATS = {8: 400, 50: 300, 200: 120}
SIZES, EPSILONS = (30, 1_000, 1_000_000), (0.5, 1.0, 4.0, None)
FEW, MOST_PAIRED, SORTED_FROM, PARTS = 30, 300, 30_000, 2
FEW_VALUES = "D has few values"


@dataclass(frozen=True)
class Cell:
    """One test on one kind of data: drawn how, how often, and why its rate may lie low, if so."""

    what: str
    test: Test
    draw: Draw
    repeats: int
    seed: tuple[int, ...]
    low: str = ""

    def part(self, number: int) -> list[float | None]:
        """Return the p-values of one of its parts; None where the answer was a refusal."""
        rng = np.random.default_rng([SEED, *self.seed, number])
        return [self._p_value(rng) for _ in range(self.repeats // PARTS)]

    def rows(self, answers: Sequence[float | None]) -> Iterable[Row]:
        """Return the rates at both levels, or how often the answer was that noise drowns all."""
        p_values = np.array([answer for answer in answers if answer is not None])
        refused = 1 - p_values.size / len(answers)
        if refused > 1 / 2:
            yield at_least(f"{self.what}: noise swamps it, TooNoisyError", refused, 0.5, "of all")
        else:
            note = f", {refused:.0%} refused as too noisy" if refused else ""
            yield from (self._rate(level, p_values, note) for level in LEVELS)

    def _p_value(self, rng: np.random.Generator) -> float | None:
        try:
            return self.test(*self.draw(rng)).p_value
        except (EmptySampleError, TooNoisyError):
            return None

    def _rate(self, level: float, p_values: FloatArray, note: str) -> Row:
        rate, (lower, upper) = float(np.mean(p_values <= level)), band(level, p_values.size)
        goal = f"at most, {self.low}: " if self.low else ""
        repeats = f"{p_values.size} repeats{note}, {goal}band {lower:.1%} to {upper:.1%}"
        ratio = upper / rate if rate else float("inf")
        holds = rate <= upper and (bool(self.low) or rate >= lower)
        return Row(
            f"{self.what}, nominal {level:.0%} ({repeats})", rate, upper, "rate", ratio, 1.0, holds
        )


@cache
def band(level: float, repeats: int) -> tuple[float, float]:
    """Return the least and the largest rate that chance explains."""
    law = scipy.stats.binom(repeats, level)
    return float(law.ppf(OUTSIDE)) / repeats, float(law.isf(OUTSIDE)) / repeats


def sample(rng: np.random.Generator, n: int) -> FloatArray:
    """Draw n independent values; in increasing order from 30,000 on."""
    if n < SORTED_FROM:
        return rng.normal(size=n)
    times = np.cumsum(rng.standard_exponential(n + 1))
    return np.asarray(times[:-1] / times[-1])


def histogram(rng: np.random.Generator, n: int, bins: int, epsilon: float | None) -> Histogram:
    """Draw counts of a bell-shaped distribution, noised."""
    middle, edges = (np.arange(bins) + 0.5) / bins, np.linspace(0.0, 1.0, bins + 1)
    shares = np.exp(-8 * (middle - 0.4) ** 2)
    counts = rng.multinomial(n, shares / shares.sum()).astype(np.float64)
    if epsilon is None:
        return Histogram(edges, counts)
    counts += rng.laplace(scale=1 / epsilon, size=bins)
    return Histogram(edges, counts, noise_sd=float(np.sqrt(2) / epsilon))


def _samples(rng: np.random.Generator, n: int) -> tuple[object, ...]:
    return sample(rng, n), sample(rng, n)


def _weighted(rng: np.random.Generator, n: int) -> tuple[object, ...]:
    """Weights do not depend on the values; n values are worth some n / 2."""
    weights = rng.standard_exponential((2, n))
    return sample(rng, n), sample(rng, n), weights[0], weights[1]


def _sketches(rng: np.random.Generator, n: int) -> tuple[object, ...]:
    return tuple(detectors.KllSummary.of_values(sample(rng, n)) for _ in range(2))


def _histograms(
    rng: np.random.Generator, n: int, bins: int, epsilon: float | None
) -> tuple[object, ...]:
    return tuple(histogram(rng, n, bins, epsilon) for _ in range(2))


def on_samples(name: str) -> Iterable[Cell]:
    """Pairs of n = m values."""
    for n, repeats in SAMPLE_REPEATS.items():
        draw, low = partial(_samples, n=n), FEW_VALUES if name == "KS" and n <= FEW else ""
        yield Cell(f"{name} on samples, n {n:,}", ON_SAMPLES[name], draw, repeats, (1, n), low)


def on_weighted(name: str) -> Iterable[Cell]:
    """Pairs of n = m weighted values; energy, which takes all pairs of them, of the small sizes."""
    for n, repeats in WEIGHTED_REPEATS.items():
        if name != "energy" or n <= MOST_PAIRED:
            what, draw = f"{name} on weighted samples, n {n:,}", partial(_weighted, n=n)
            yield Cell(what, ON_WEIGHTED[name], draw, repeats, (2, n))


def on_sketches(name: str) -> Iterable[Cell]:
    """Pairs of KLL sketches of n = m values, k = 200, which keeps all of the fewest."""
    for n, repeats in SKETCH_REPEATS.items():
        kept = FEW_VALUES if name == "KS" else ""
        low = kept if n <= FEW else "it bounds what sketching does"
        what, draw = f"{name} on sketches, n {n:,}", partial(_sketches, n=n)
        yield Cell(what, ON_SKETCHES[name], draw, repeats, (3, n), low)


def on_bins(name: str) -> Iterable[Cell]:
    """Pairs of histograms of n = m examples, for all sizes, bins and noises."""
    for n, bins, epsilon in product(SIZES, BIN_REPEATS, EPSILONS):
        noise = "no noise" if epsilon is None else f"epsilon {epsilon:g}"
        low = FEW_VALUES if name == "KS" and n <= FEW and epsilon is None else ""
        what = f"{name} on bins, n {n:,}, {bins} bins, {noise}"
        draw = partial(_histograms, n=n, bins=bins, epsilon=epsilon)
        seed = (4, n, bins, EPSILONS.index(epsilon))
        yield Cell(what, ON_BINS[name], draw, BIN_REPEATS[bins], seed, low)


def measure(cells: Callable[[str], Iterable[Cell]], name: str) -> Iterable[Row]:
    """Judge all cells of a test, in parts that run side by side."""
    chosen = list(cells(name))
    parts = product(chosen, range(PARTS))
    answers = _processes().map(Cell.part, *zip(*parts, strict=True))
    for cell in chosen:
        yield from cell.rows([answer for _ in range(PARTS) for answer in next(answers)])


@cache
def _processes() -> ProcessPoolExecutor:
    """Start one process a core, each with one thread of BLAS: more would wait for each other."""
    os.environ["OPENBLAS_NUM_THREADS"] = "1"
    return ProcessPoolExecutor(mp_context=get_context("spawn"))


def _cases() -> Iterable[Case]:
    kinds = {
        "samples": (on_samples, ON_SAMPLES),
        "weighted samples": (on_weighted, ON_WEIGHTED),
        "sketches": (on_sketches, ON_SKETCHES),
        "bins": (on_bins, ON_BINS),
    }
    for kind, (cells, tests) in kinds.items():
        for name in tests:
            yield Case(f"{name} on {kind}", partial(measure, cells, name))
    yield from calibration_series.CASES


CASES = list(_cases())

if __name__ == "__main__":
    main("calibration", CASES)
