"""Levels: where subjects stood, round by round, also where rounds told of less."""

import numpy as np

from app.drift.departures import Pooled, Summary
from app.drift.explaining.levels import series_of

EDGES, OTHER_EDGES = np.array([0.0, 1.0, 2.0]), np.array([0.0, 1.5, 2.0])


def summary(counts: tuple[float, float] | None, edges: np.ndarray = EDGES) -> Summary:
    told = {}
    if counts is not None:
        pooled = Pooled(edges, np.array([counts]), np.zeros(1), categorical=False)
        told = {"score": pooled}
    return Summary(np.array([5]), np.array([10.0]), np.ones(1), {}, told)


def test_rounds_that_did_not_tell_a_distribution_have_no_level_and_keep_their_place() -> None:
    before = [summary((5, 5)), summary(None), summary((6, 4)), summary((4, 6)), summary((5, 5))]
    before[0] = summary((5, 5), OTHER_EDGES)
    usual, now = series_of(before, [summary(None), summary((1, 9))], "score")
    assert usual.shape == (5, 1)
    assert np.isnan(usual[:, 0]).tolist() == [True, True, False, False, False]
    assert np.isnan(now[0, 0])
    assert now[1, 0] > np.nanmax(np.abs(usual))


def test_a_distribution_that_the_reference_never_told_has_no_levels() -> None:
    usual, now = series_of([summary(None)] * 4, [summary((5, 5))], "score")
    assert np.isnan(usual).all()
    assert np.isnan(now).all()
