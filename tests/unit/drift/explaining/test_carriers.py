"""The cluster that a drift is traced to, where only some of very many clients are grouped."""

import numpy as np
import pytest
from numpy.typing import NDArray

from app.drift.explaining.alike import MOST_CLIENTS
from app.drift.explaining.carriers import Carriers, _cluster
from app.drift.explaining.movements import Movement
from app.rounds.records import pseudonyms
from tests.rounds import pseudonym

CLIENTS, K = 2 * MOST_CLIENTS + 200, 5
NAMES = pseudonyms(sorted(pseudonym(number) for number in range(CLIENTS)))
RNG = np.random.default_rng(7)
ERRORS = np.full(CLIENTS, 0.01)


def moved(effects: NDArray[np.float64], errors: NDArray[np.float64] = ERRORS) -> Carriers | None:
    departures = effects + RNG.normal(0, 0.01, CLIENTS)
    places, weights = np.arange(CLIENTS), np.full(CLIENTS, 1 / CLIENTS)
    return _cluster(Movement(places, NAMES, departures, errors, weights), {}, K)


def test_all_of_a_large_cluster_are_found_by_an_even_sample() -> None:
    fifth = np.arange(CLIENTS) % 5 == 0
    unjudged = np.where(np.arange(CLIENTS) == CLIENTS - CLIENTS % 5 - 5, np.nan, ERRORS)
    found = moved(np.where(fifth, 0.2, 0.0), unjudged)
    assert found is not None
    truth = {name.decode() for name in NAMES[fifth & ~np.isnan(unjudged)]}
    assert set(found.clients) == truth
    assert (found.share, found.examples) == pytest.approx((1, 0.2), abs=0.03)
    assert found.times == pytest.approx(5, rel=0.1)


def test_a_cluster_that_carries_less_than_half_is_not_aimed_at() -> None:
    at = np.arange(CLIENTS) % 10
    effects = np.select([at == 0, at == 1, at == 2], [0.2, 0.4, 0.3])
    assert moved(effects) is None


def test_where_everybody_moved_nobody_is_singled_out() -> None:
    assert moved(np.full(CLIENTS, 0.2)) is None


def test_fewer_than_may_be_shown_are_not_singled_out() -> None:
    assert moved(np.where(np.arange(CLIENTS) < K - 1, 0.9, 0.0)) is None
