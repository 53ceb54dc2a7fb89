"""Why a pooled rate changed: clients moved, or others took part.

Each client's share of it is left out: it would show a participant's own shift to all readers. For
the same reason all of it is rounded (`disclosure.py`).
"""

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np

from app.drift.findings import Case
from app.drift.known import Places
from app.drift.measurements import Floats, RoundMeasure
from app.drift.scopes import Scope
from app.rounds.disclosure import coarse_total, coarsened, records_needed


class Splitting:
    """How each rate's pooled change splits, in any scope of a case."""

    def __init__(self, case: Case) -> None:
        self._case = case
        self._sums = cache(self._sums_of)

    def explain(self, scope: Scope, subject: str) -> dict[str, Any]:
        """The within-client part and the mix part of a rate's change, as a verdict tells them."""
        (sums_before, n_before), (sums_after, n_after) = (
            (sums * scope.members, examples * scope.members)
            for sums, examples in self._sums(subject)
        )
        if not n_before.any() or not n_after.any():
            return {}
        within, mix = split(sums_before, n_before, sums_after, n_after)
        clients = int(np.count_nonzero(n_after))
        k = records_needed(self._case.min_cohort_size, self._case.current.stands_for)
        return {
            "pooled_change": coarsened(within + mix, clients, k),
            "within_client": coarsened(within, clients, k),
            "participation_mix": coarsened(mix, clients, k),
            "clients": clients,
            "examples": coarse_total(int(n_after.sum()), clients, k),
        }

    def _sums_of(self, subject: str) -> tuple[tuple[Floats, Floats], tuple[Floats, Floats]]:
        """Each known client's sum of a rate over its examples, and their number; before, now."""
        case, known = self._case, len(self._case.known.clients)
        before = sums_of(case.reference, case.places_before, subject, known)
        return before, sums_of([case.current], case.places_after[-1:], subject, known)


def split(
    sums_before: Floats, n_before: Floats, sums_after: Floats, n_after: Floats
) -> tuple[float, float]:
    """The within-client part and the mix part of a pooled rate's change, as `split_rates` has them.

    One entry a client, with n = 0 on a side where it did not take part: there it has not moved.
    """
    before = np.divide(sums_before, n_before, out=np.zeros_like(n_before), where=n_before > 0)
    after = np.divide(sums_after, n_after, out=np.zeros_like(n_after), where=n_after > 0)
    weights_before, weights_after = n_before / n_before.sum(), n_after / n_after.sum()
    both = (n_before > 0) & (n_after > 0)
    within = float(((weights_before + weights_after) / 2 * (after - before))[both].sum())
    total = float(weights_after @ after - weights_before @ before)
    return within, total - within


def sums_of(
    rounds: Sequence[RoundMeasure], places: Sequence[Places], subject: str, known: int
) -> tuple[Floats, Floats]:
    """Each known client's sum of a rate over its examples in these rounds, and their number."""
    sums, examples = np.zeros(known), np.zeros(known)
    for measure, at in zip(rounds, places, strict=True):
        values = measure.rates.get(subject)
        if values is not None:
            told = (at >= 0) & ~np.isnan(values)
            sums[at[told]] += values[told] * measure.n[told]
            examples[at[told]] += measure.n[told]
    return sums, examples
