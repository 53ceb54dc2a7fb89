"""Many streams at once: each is told what `median_shift` tells it alone."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors import Unjudged, median_shift, median_shifts
from detectors.errors import BadParameterError, NotFiniteError, OutOfRangeError, ShapeError

STREAMS = 60


def streams(
    seed: int, rounds: int, latest: int, missing: float, shift: float = 2.0
) -> tuple[np.ndarray, np.ndarray]:
    """Streams of differing level and spread, some rounds of which did not tell."""
    rng = np.random.default_rng(seed)
    level, scale = rng.normal(0, 5, STREAMS), rng.uniform(0.1, 4, STREAMS)
    reference = level + scale * rng.normal(size=(rounds, STREAMS))
    new = level + scale * rng.normal(rng.normal(0, shift, STREAMS), 1, (latest, STREAMS))
    for values in (reference, new):
        values[rng.uniform(size=values.shape) < missing] = np.nan
    return reference, new


def alone(reference: np.ndarray, latest: np.ndarray):
    """What the service did of one stream: leave out, drop the oldest of an even number, test."""
    known, new = reference[~np.isnan(reference)], latest[~np.isnan(latest)]
    return median_shift(known, new[1:] if new.size % 2 == 0 else new)


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 2**20),
    rounds=st.sampled_from([8, 12]),
    latest=st.integers(1, 6),
    missing=st.sampled_from([0.0, 0.1, 0.4]),
)
def test_each_stream_is_told_what_it_would_be_alone(seed, rounds, latest, missing):
    reference, new = streams(seed, rounds, latest, missing)
    found = median_shifts(reference, new, alpha=0.01)
    for stream in np.flatnonzero(found.why == Unjudged.FINE):
        known, told = reference[:, stream], new[:, stream]
        one = alone(known, told)
        assert found.statistics[stream] == pytest.approx(one.statistic, rel=1e-8, abs=1e-12)
        assert found.effects[stream] == pytest.approx(one.effect, rel=1e-8, abs=1e-12)
        assert found.p_values[stream] == pytest.approx(one.p_value, rel=1e-8)
        assert (found.n_reference[stream], found.n_current[stream]) == (
            one.n_reference,
            one.n_current,
        )


def test_the_minimum_detectable_effect_is_that_of_each_stream():
    reference, new = streams(3, 8, 3, 0.1)
    found = median_shifts(reference, new, alpha=0.01, power=0.9)
    for stream in range(0, STREAMS, 7):
        known, told = (values[:, stream] for values in (reference, new))
        new_values = told[~np.isnan(told)]
        new_values = new_values[1:] if new_values.size % 2 == 0 else new_values
        one = median_shift(known[~np.isnan(known)], new_values, alpha=0.01, power=0.9)
        detectable = found.minimum_detectable_effects[stream]
        assert detectable == pytest.approx(one.minimum_detectable_effect, rel=1e-8)


@pytest.mark.parametrize(("rounds", "latest"), [(4, 3), (5, 9), (4, 15), (30, 5), (100, 1)])
def test_p_values_agree_far_into_the_tail(rounds, latest):
    reference, new = streams(rounds, rounds, latest, 0.0, shift=30.0)
    found = median_shifts(reference, new)
    expected = np.array(
        [alone(reference[:, k], new[:, k]).p_value for k in range(STREAMS)], dtype=float
    )
    sure = expected > 1e-200
    assert found.p_values[sure] == pytest.approx(expected[sure], rel=1e-8)
    assert np.all(found.p_values[~sure] < 1e-190)


def test_why_a_stream_is_not_judged():
    nan = np.nan
    reference = np.array(
        [[1.0, 1.0, 2.0, nan, 1.0], [2.0, 2.0, 2.0, 1.0, 2.0]] + [[3.0, nan, 2.0, 3.0, 3.0]] * 2
    )
    latest = np.array([[9.0, 9.0, 9.0, 9.0, nan]])
    found = median_shifts(reference, latest)
    assert [Unjudged(code).name for code in found.why] == [
        "FINE",
        "TOO_FEW_REFERENCE",
        "NO_SPREAD",
        "TOO_FEW_REFERENCE",
        "NOTHING_LATEST",
    ]
    assert found.why.dtype == np.int8
    assert found.p_values[1:].tolist() == [1.0] * 4
    assert np.isinf(found.minimum_detectable_effects[1:]).all()
    assert not found.effects[1:].any()
    assert not found.statistics[1:].any()


def test_no_rounds_and_no_streams_are_answered():
    assert median_shifts(np.ones((5, 0)), np.ones((3, 0))).p_values.size == 0
    assert (median_shifts(np.ones((0, 2)), np.ones((3, 2))).why == 1).all()
    assert (median_shifts(np.ones((5, 2)), np.ones((0, 2))).why == 3).all()


def test_what_cannot_be_answered_is_refused():
    good = np.random.default_rng(0).normal(size=(6, 2))
    with pytest.raises(ShapeError):
        median_shifts(good, good[:, :1])
    with pytest.raises(ShapeError):
        median_shifts(good[:, 0], good[:, 0])
    with pytest.raises(NotFiniteError):
        median_shifts(good, np.array([[np.inf, 1.0]]))
    with pytest.raises(OutOfRangeError):
        median_shifts(good * 1e101, good)
    with pytest.raises(BadParameterError):
        median_shifts(good, good, alpha=0.0)
