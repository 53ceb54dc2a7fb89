"""False-alarm rates of standardised metrics where nothing changed, beside the Monte-Carlo band.

Rows of `python -m benchmarks.calibration`. `ours` is the rate over 10,000 streams, each with a
reference of its own, and the limit the upper end of the band, level + 3 standard errors; where a
test is said to be exact, the rate must not lie under the lower end either. The judged rounds come
40 rounds after the reference, as they do in use: the round right after it is easier.
"""

from collections.abc import Callable, Iterable
from functools import partial

import numpy as np

from benchmarks.harness import Case, Row
from detectors.arrays import FloatArray
from detectors.series.recent import recent_shift
from detectors.series.robust import robust_scores
from detectors.series.whitening import Baseline

STREAMS, LEVELS, LATER = 10_000, (0.01, 0.05), 40
REFERENCES, RHOS = (30, 100, 1_000), (0.0, 0.5, 0.9)
WINDOW = 5


def _autoregressive(rounds: int, rho: float, period: int = 1) -> FloatArray:
    """Stationary AR(1) streams, (rounds, streams), on a season of the given period."""
    rng = np.random.default_rng([3, rounds, int(rho * 10), period])
    values = rng.normal(size=(rounds, STREAMS))
    values[0] /= np.sqrt(1 - rho**2)
    for now in range(1, rounds):
        values[now] += rho * values[now - 1]
    season = 5 * np.sin(2 * np.pi * np.arange(rounds) / period) if period > 1 else 0.0
    return np.asarray(values + np.reshape(season, (-1, 1)))


def _rates(
    what: str, p_values: FloatArray, *, exact: bool = False, held: bool = True
) -> Iterable[Row]:
    """Return one row a level; `held` False states a rate beside the others without asking."""
    for level in LEVELS:
        rate = float(np.mean(p_values <= level))
        band = 3 * np.sqrt(level * (1 - level) / p_values.size)
        limit = level + band
        holds = rate <= limit and (not exact or rate >= level - band)
        ratio = limit / rate if rate else float("inf")
        lower = f"{level - band:.2%} to " if exact else "at most "
        asked = f"band {lower}{limit:.2%}" if held else "not held to a band"
        name = f"{what}, nominal {level:.0%} ({p_values.size:,} streams, {asked})"
        yield Row(name, rate, limit, "rate", ratio, 1.0 if held else 0.0, holds or not held)


def _whitened(reference: int, rho: float) -> Iterable[Row]:
    values = _autoregressive(reference + LATER + WINDOW, rho)
    baseline = Baseline.fit(values[:reference])
    since, label = reference + LATER, f"AR(1) rho {rho:g}, reference {reference}"
    before, now = values[since - 1], values[since : since + WINDOW]
    one = baseline.judge(now[:1], previous=before, start=LATER)
    window = baseline.judge(now, previous=before, start=LATER)
    raw = Baseline.fit(values[:reference], whiten=False).judge(now, start=LATER)
    exact = reference >= REFERENCES[1]
    yield from _rates(f"pre-whitened, one round, {label}", one.p_values, exact=exact)
    yield from _rates(f"pre-whitened, window of {WINDOW}, {label}", window.p_values, exact=exact)
    if rho:
        yield from _rates(f"not whitened, window of {WINDOW}, {label}", raw.p_values, held=False)
    else:
        yield from _rates(f"t, window of {WINDOW}, {label}", raw.p_values, exact=True)


def _seasonal(reference: int, rho: float) -> Iterable[Row]:
    values = _autoregressive(reference + LATER + WINDOW, rho, period=7)
    baseline = Baseline.fit(values[:reference], period=7)
    since = reference + LATER
    now = values[since : since + WINDOW]
    scores = baseline.judge(now, previous=values[since - 1], start=LATER)
    label = f"period 7, AR(1) rho {rho:g}, reference {reference}"
    yield from _rates(f"seasonal and pre-whitened, window of {WINDOW}, {label}", scores.p_values)


def _recent(reference: int, rho: float) -> Iterable[Row]:
    values = _autoregressive(reference + LATER + WINDOW + 1, rho)
    baseline = Baseline.fit(values[:reference], whiten=rho > 0)
    scores = recent_shift(baseline, values[reference + LATER :], start=LATER)
    yield from _rates(f"recent shift, AR(1) rho {rho:g}, reference {reference}", scores.p_values)


def _robust(reference: int) -> Iterable[Row]:
    values = _autoregressive(reference + 1, 0.0)
    clean = robust_scores(values[:reference], values[reference])
    yield from _rates(f"median and MAD, reference {reference}", clean.p_values, exact=True)
    values[: reference // 10] += 20.0
    label = f"reference {reference}, a tenth of it off by 20 sd"
    soiled = robust_scores(values[:reference], values[reference])
    yield from _rates(f"median and MAD, {label}", soiled.p_values)


def _cases() -> Iterable[Case]:
    for reference in REFERENCES:
        for rho in RHOS:
            name = f"series AR(1) rho {rho:g} reference {reference}"
            yield Case(name, partial(_whitened, reference, rho))
    measures: tuple[tuple[str, Callable[[], Iterable[Row]]], ...] = (
        ("series seasonal 70", partial(_seasonal, 70, 0.5)),
        ("series seasonal 350", partial(_seasonal, 350, 0.9)),
        ("series recent 100", partial(_recent, 100, 0.0)),
        ("series recent whitened 100", partial(_recent, 100, 0.9)),
        *((f"series robust {n}", partial(_robust, n)) for n in (10, *REFERENCES)),
    )
    yield from (Case(name, measure) for name, measure in measures)


CASES = list(_cases())
