"""How much a scope varies in the newest rounds beside how much it did in the reference's.

Clients are compared with their own past, which they are part of: over m rounds a client lies from
its mean with 1 - 1/m of its variance, and in a round to come with 1 + 1/m of it. And a round of few
clients varies more than one of many. So where clients missed rounds of the reference, or where
fewer take part now, the reference's rounds vary less than what is judged by them. Their departures
are taken as many times as makes up for it, and never less than as they are: what moves all clients
of a round together is not less for their being many.
"""

from collections.abc import Sequence

import numpy as np

from app.drift.known import Known, Places
from app.drift.measurements import Floats, RoundMeasure
from app.drift.scopes import Scope


def sampling(
    measure: RoundMeasure, places: Places, scopes: Sequence[Scope], known: Known, sign: int
) -> Floats:
    """The variance of each scope's departure in a round, one example's being 1; NaN for nobody.

    `sign` is -1 for a round that the expectation rests on, and 1 for another.
    """
    here = places >= 0
    at, n = places[here], measure.n[here]
    each = (1 + sign / np.maximum(known.rounds[at], 1.0)) / n
    weights = np.array([scope.weights[at] for scope in scopes])
    shares = weights.sum(axis=1)
    variance = (weights**2 * each).sum(axis=1)
    nobody = np.full(len(scopes), np.nan)
    relative: Floats = np.divide(variance, shares**2, out=nobody, where=shares > 0)
    return relative


def widening(before: Floats, after: Floats) -> Floats:
    """By how much departures of the reference's rounds are multiplied, (scopes,).

    Of `sampling` by round and scope. The tests themselves allow for as many rounds as there are.
    """
    told = ~np.isnan(before)
    rounds = np.maximum(told.sum(axis=0), 2.0)
    usual = np.where(told, before, 0.0).sum(axis=0) / rounds
    now = np.where(np.isnan(after), 0.0, after).max(axis=0)
    allowed = (1 + 1 / rounds) / (1 - 1 / rounds)
    ratio = np.divide(now, usual * allowed, out=np.ones_like(usual), where=usual > 0)
    times: Floats = np.sqrt(np.maximum(ratio, 1.0))
    return times
