"""What the pooled figure's change is made of: clients that moved, and others taking part."""

from collections.abc import Sequence

import numpy as np

from app.drift.explaining.schemas import Split
from app.drift.findings import Case
from app.drift.known import Places
from app.drift.measurements import Floats, RoundMeasure
from app.drift.scopes import Scope
from app.drift.splitting import split, sums_of
from app.rounds.disclosure import coarsened, records_needed

DIGITS = 4


def split_of(case: Case, scope: Scope, subject: str) -> Split | None:
    """How a subject's pooled change splits; None for what no single client tells.

    Of a distribution that is its distance: the largest gap, or the total variation of categories.
    """
    parts = _rates(case, scope, subject) if subject in case.expected.rates else None
    if parts is None and subject in case.expected.shares:
        parts = _distribution(case, scope, subject)
    if parts is None:
        return None
    within, mix, clients = parts
    k = records_needed(case.min_cohort_size, case.current.stands_for)
    within, mix = coarsened(within, clients, k), coarsened(mix, clients, k)
    whole = abs(within) + abs(mix)
    if not whole:
        return None
    share = round(abs(within) / whole, DIGITS)
    return Split(
        within_client=share,
        participation_mix=round(1 - share, DIGITS),
        within_client_change=within,
        participation_mix_change=mix,
    )


def _rates(case: Case, scope: Scope, subject: str) -> tuple[float, float, int] | None:
    known, members = len(case.known.clients), scope.members
    before = sums_of(case.reference, case.places_before, subject, known)
    after = sums_of([case.current], case.places_after[-1:], subject, known)
    (sums_before, n_before), (sums_after, n_after) = (
        (sums * members, examples * members) for sums, examples in (before, after)
    )
    if not n_before.any() or not n_after.any():
        return None
    within, mix = split(sums_before, n_before, sums_after, n_after)
    return within, mix, int(np.count_nonzero(n_after))


def _distribution(case: Case, scope: Scope, subject: str) -> tuple[float, float, int] | None:
    newest = case.current.histograms.get(subject)
    if newest is None:
        return None
    bins, known = newest.counts.shape[1], len(case.known.clients)
    members = scope.members[:, np.newaxis]
    before = _counts(case.reference, case.places_before, subject, known, bins) * members
    after = _counts([case.current], case.places_after[-1:], subject, known, bins) * members
    if before.sum() <= 0 or after.sum() <= 0:
        return None
    within, mix = split_shares(before, after, categorical=newest.categorical)
    return within, mix, int(np.count_nonzero(after.sum(axis=1) > 0))


def split_shares(before: Floats, after: Floats, *, categorical: bool) -> tuple[float, float]:
    """As `detectors.split_distance`, of counts by client and bin; rows without counts are absent.

    The pooled distance from before to after, along both ways: first the clients move and then the
    mix changes, or the other way round.
    """
    n_before, n_after = (np.maximum(side.sum(axis=1), 0.0) for side in (before, after))
    shares_before, shares_after = _shapes(before, n_before), _shapes(after, n_after)
    old = np.where((n_before > 0)[:, np.newaxis], shares_before, shares_after)
    new = np.where((n_after > 0)[:, np.newaxis], shares_after, shares_before)
    start, moved = _pool(old, n_before), _pool(new, n_before)
    mixed, end = _pool(old, n_after), _pool(new, n_after)
    total = _distance(end - start, categorical=categorical)
    by_moving = _distance(moved - start, categorical=categorical)
    by_mixing = _distance(mixed - start, categorical=categorical)
    within = (by_moving + total - by_mixing) / 2
    return within, total - within


def _shapes(counts: Floats, sizes: Floats) -> Floats:
    shapes: Floats = counts / np.where(sizes > 0, sizes, 1.0)[:, np.newaxis]
    return shapes


def _pool(shapes: Floats, sizes: Floats) -> Floats:
    pooled: Floats = (shapes * sizes[:, np.newaxis]).sum(axis=0) / sizes.sum()
    return pooled


def _distance(change: Floats, *, categorical: bool) -> float:
    if categorical:
        return float(np.abs(change).sum() / 2)
    return float(np.abs(np.cumsum(change)[:-1]).max())


def _counts(
    rounds: Sequence[RoundMeasure], places: Sequence[Places], subject: str, known: int, bins: int
) -> Floats:
    counts = np.zeros((known, bins))
    for measure, at in zip(rounds, places, strict=True):
        binned = measure.histograms.get(subject)
        if binned is not None and binned.counts.shape[1] == bins:
            counts[at[at >= 0]] += binned.counts[at >= 0]
    return counts
