"""Rows for very many subjects at once, against the same test one subject after another."""

from collections.abc import Callable, Iterable
from functools import partial

import numpy as np

from benchmarks.harness import Case, Row, at_most, faster
from detectors import (
    Histogram,
    energy_categories,
    energy_histogram,
    estimate_variation,
    estimate_variations,
    median_shift,
    median_shifts,
    merge,
)
from detectors.arrays import FloatArray

SUBJECTS, ALONE, ROUNDS, LATEST, CATEGORIES, SEED = 10_000, 50, 12, 3, 8, 20_261_121
MOST_MS, GOAL = 50.0, 20.0


def _median_shifts() -> Iterable[Row]:
    rng = np.random.default_rng(SEED)
    reference, latest = rng.normal(size=(ROUNDS, SUBJECTS)), rng.normal(size=(LATEST, SUBJECTS))

    def peer() -> None:
        for subject in range(ALONE):
            median_shift(reference[:, subject], latest[:, subject])

    row = _against(
        f"median_shifts: {SUBJECTS:,} streams, against one after another",
        partial(median_shifts, reference, latest),
        peer,
    )
    milliseconds = row.ours * SUBJECTS / 1e6
    yield row
    yield at_most(f"median_shifts: {SUBJECTS:,} streams, tables there", milliseconds, MOST_MS, "ms")


def _categories() -> Iterable[Row]:
    """With rounds as the unit, which is estimated on both sides; a hundredth has moved."""
    rng = np.random.default_rng(SEED)
    shares = rng.dirichlet(np.ones(CATEGORIES), SUBJECTS)
    rounds = rng.multinomial(1_000, shares, size=(ROUNDS, SUBJECTS)).astype(np.float64)
    shares[::100] = np.roll(shares[::100], 1, axis=1)
    current = rng.multinomial(1_000, shares).astype(np.float64)

    def ours() -> None:
        variations = estimate_variations(rounds, categorical=True)
        energy_categories(rounds.sum(axis=0), current, variations=variations)

    def peer() -> None:
        for subject in range(ALONE):
            _one(rounds[:, subject], current[subject])

    what = (
        f"energy_categories: {SUBJECTS:,} subjects with rounds as the unit, against one at a time"
    )
    yield _against(what, ours, peer)


def _one(rounds: FloatArray, current: FloatArray) -> None:
    known = [Histogram.of_categories(each) for each in rounds]
    now = Histogram.of_categories(current)
    energy_histogram(merge(known), now, variation=estimate_variation(known))


def _against(what: str, ours: Callable[[], object], peer: Callable[[], object]) -> Row:
    return faster(what, ours, peer, goal=GOAL, unit="ns", per=SUBJECTS, peer_per=ALONE)


CASES = [
    Case("median shifts in bulk", _median_shifts),
    Case("energy of categories in bulk", _categories),
]
