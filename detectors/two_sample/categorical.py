"""Tests on two samples of categories: whether the shares moved.

Both sides are samples, so this is homogeneity: the reference's shares are not taken for known,
which would call its own sampling error a drift. Where an expected count is under five, the p-value
comes from the tables with the same totals: all of them if there are few, seeded draws if not.
"""

from collections.abc import Callable

import numpy as np
import scipy.special

from detectors.arrays import FloatArray, fraction
from detectors.errors import LARGEST_COUNT, BadParameterError, OutOfRangeError
from detectors.histogram import Histogram
from detectors.result import PROBABILITY, TwoSampleResult

LEAST_EXPECTED = 5.0
MOST_TABLES = 20_000
DRAWS, SEED = 9_999, 20_261_121
NUMPYS_MOST = 1e9  # examples that numpy draws hypergeometric tables from
RARE = 1e5  # examples of a category, of a billion and more
_TIE = 1e-9
Statistic = Callable[[FloatArray, FloatArray, float], FloatArray]


def chi_square(
    reference: Histogram, current: Histogram, *, alpha: float = 0.05, power: float = 0.8
) -> TwoSampleResult:
    """Compare two histograms, bins taken as categories, by Pearson's statistic.

    `statistic` is scipy.stats.chi2_contingency's without correction; categories that neither side
    has are left out, those that one side has not are not. `effect` is the share that changed
    category (total variation), a probability; the minimum detectable effect is that of a move
    between the two most frequent categories. Tables are ordered by the statistic in the exact test,
    ties counted. Raises EdgesDifferError, EmptySampleError, OutOfRangeError for more than 2^53
    examples, and BadParameterError for declared noise, which `energy_histogram` allows for.

    >>> ours = chi_square(Histogram.of_categories([8, 2]), Histogram.of_categories([1, 5]))
    >>> round(ours.p_value, 6)
    0.034965

    Pearson (1900), Philosophical Magazine 50, 157-175; Agresti (1992), Statistical Science 7,
    131-153 (exact).
    """
    return _judged("chi-square", _pearson, reference, current, alpha, power)


def g_test(
    reference: Histogram, current: Histogram, *, alpha: float = 0.05, power: float = 0.8
) -> TwoSampleResult:
    """Compare two histograms, bins taken as categories, by the likelihood ratio G.

    `statistic` is scipy.stats.chi2_contingency's with lambda_="log-likelihood", without correction.
    All else is as in `chi_square`.

    Wilks (1938), Annals of Mathematical Statistics 9, 60-62.
    """
    return _judged("g", _likelihood_ratio, reference, current, alpha, power)


def _judged(
    name: str,
    statistic: Statistic,
    reference: Histogram,
    current: Histogram,
    alpha: float,
    power: float,
) -> TwoSampleResult:
    fraction(alpha, "alpha"), fraction(power, "power")
    reference.require_same_bins(current)
    for side in (reference, current):
        if side.noise_sd > 0:
            raise BadParameterError("noise_sd", side.noise_sd, "0; energy_histogram allows for it")
    effect = float(np.abs(reference.pmf() - current.pmf()).sum()) / 2
    there = reference.counts + current.counts > 0
    counts, totals = reference.counts[there], (reference.counts + current.counts)[there]
    n, m = reference.total, current.total
    if n + m > LARGEST_COUNT:
        raise OutOfRangeError("counts", int(np.argmax(totals)), LARGEST_COUNT)
    return TwoSampleResult(
        detector=name,
        statistic=float(statistic(counts[np.newaxis], totals, n)[0]),
        p_value=_p_value(statistic, counts, totals, n),
        effect=effect,
        effect_unit=PROBABILITY,
        minimum_detectable_effect=_detectable(totals, n * m / (n + m), alpha, power),
        n_reference=n,
        n_current=m,
    )


def _pearson(counts: FloatArray, totals: FloatArray, n: float) -> FloatArray:
    """Pearson's statistic of tables whose first rows are `counts` (tables, categories)."""
    whole = totals.sum()
    departure = counts - n * totals / whole
    weight = whole**2 / (n * (whole - n) * totals)
    return np.asarray(departure**2 @ weight, dtype=np.float64)


def _likelihood_ratio(counts: FloatArray, totals: FloatArray, n: float) -> FloatArray:
    whole = totals.sum()
    first = scipy.special.rel_entr(counts, n * totals / whole)
    second = scipy.special.rel_entr(totals - counts, (whole - n) * totals / whole)
    return np.asarray(2 * (first + second).sum(axis=1), dtype=np.float64)


def _p_value(statistic: Statistic, counts: FloatArray, totals: FloatArray, n: float) -> float:
    if totals.size == 1:
        return 1.0
    observed = float(statistic(counts[np.newaxis], totals, n)[0])
    smallest = float(totals.min()) * min(n, totals.sum() - n) / float(totals.sum())
    whole = bool((counts == np.rint(counts)).all() and (totals == np.rint(totals)).all())
    if smallest >= LEAST_EXPECTED or not whole:
        return float(scipy.special.chdtrc(totals.size - 1, observed))
    least = observed * (1 - _TIE)
    if _number_of_tables(totals, n) <= MOST_TABLES:
        tables = _tables(totals, n)
        chances = np.exp(_log_chance(tables, totals))
        return float(min(chances[statistic(tables, totals, n) >= least].sum(), 1.0))
    beyond = np.count_nonzero(statistic(_drawn(totals, n), totals, n) >= least)
    return (1 + beyond) / (1 + DRAWS)


def _drawn(totals: FloatArray, n: float) -> FloatArray:
    """Return seeded first rows of tables with these totals, (DRAWS, categories)."""
    rng = np.random.default_rng(SEED)
    if totals.sum() < NUMPYS_MOST:
        whole = totals.astype(np.int64)
        drawn = rng.multivariate_hypergeometric(whole, int(n), size=DRAWS, method="marginals")
        return drawn.astype(np.float64)
    return _drawn_from_many(rng, totals, n)


def _drawn_from_many(rng: np.random.Generator, totals: FloatArray, n: float) -> FloatArray:
    """Draw category after category, the rare first, from a billion examples and more.

    What a category gets is hypergeometric: next to binomial where it is rare, to normal where not.
    """
    drawn = np.zeros((DRAWS, totals.size))
    left, whole = np.full(DRAWS, n), float(totals.sum())
    for place in np.argsort(totals, kind="stable"):
        total, share = float(totals[place]), np.clip(left / whole, 0.0, 1.0)
        rest = whole - total
        if total < RARE:
            taken = rng.binomial(int(total), share).astype(np.float64)
        else:
            spread = np.sqrt(share * (1 - share) * total * rest / whole)
            taken = np.rint(rng.normal(share * total, spread))
        drawn[:, place] = np.clip(taken, np.maximum(left - rest, 0.0), np.minimum(left, total))
        left, whole = left - drawn[:, place], rest
    return drawn


def _number_of_tables(totals: FloatArray, n: float) -> float:
    """How many first rows there are with these totals, or more than MOST_TABLES."""
    ways = np.ones(1)
    for total in totals:
        if total > MOST_TABLES or ways.size > MOST_TABLES:
            return float("inf")
        ways = np.minimum(np.convolve(ways, np.ones(int(total) + 1)), 10.0 * MOST_TABLES)
    return float(ways[int(n)])


def _tables(totals: FloatArray, n: float) -> FloatArray:
    """Return all first rows, (tables, categories)."""
    rows, left = np.zeros((1, 0)), np.array([n])
    for place, total in enumerate(totals):
        behind = float(totals[place + 1 :].sum())
        least, most = np.maximum(left - behind, 0.0), np.minimum(left, total)
        choices = (most - least + 1).astype(np.int64)
        starts = np.repeat(np.cumsum(choices) - choices, choices)
        chosen = np.repeat(least, choices) + np.arange(choices.sum()) - starts
        rows = np.column_stack((np.repeat(rows, choices, axis=0), chosen))
        left = np.repeat(left, choices) - chosen
    return rows


def _log_chance(tables: FloatArray, totals: FloatArray) -> FloatArray:
    """Log probabilities of tables with fixed totals: multivariate hypergeometric."""
    logs = _log_ways(totals, tables).sum(axis=1)
    return np.asarray(logs - _log_ways(totals.sum(), tables[0].sum()), dtype=np.float64)


def _log_ways(whole: FloatArray, part: FloatArray) -> FloatArray:
    factorial = scipy.special.gammaln
    return np.asarray(factorial(whole + 1) - factorial(part + 1) - factorial(whole - part + 1))


def _detectable(totals: FloatArray, size: float, alpha: float, power: float) -> float:
    """The move between the two largest shares whose noncentral chi-squared has the power."""
    if totals.size == 1:
        return 1.0
    freedom = totals.size - 1
    critical = scipy.special.chdtri(freedom, alpha)
    noncentrality = float(scipy.special.chndtrinc(critical, freedom, 1 - power))
    largest = np.sort(totals)[-2:] / totals.sum()
    return min(float(np.sqrt(noncentrality / (size * (1 / largest).sum()))), 1.0)
