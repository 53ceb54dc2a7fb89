import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors import Histogram
from detectors.diagnosis.recurrence import recurrence_of
from detectors.errors import BadParameterError, EdgesDifferError, EmptySampleError

EDGES = np.arange(9.0)
SHARES = {
    "winter": np.array([30, 25, 15, 10, 8, 6, 4, 2]) / 100,
    "summer": np.array([2, 4, 6, 8, 10, 15, 25, 30]) / 100,
    "spring": np.array([8, 10, 15, 17, 17, 15, 10, 8]) / 100,
}
NEW = np.array([25, 2, 3, 20, 20, 3, 2, 25]) / 100


def counted(rng, shares, n=3000, noise_sd=0.0):
    counts = rng.multinomial(n, shares) + rng.normal(0, noise_sd, len(shares)) * (noise_sd > 0)
    return Histogram(EDGES, counts, noise_sd=noise_sd)


@pytest.mark.parametrize("noise_sd", [0.0, 4.0])
def test_the_one_that_came_back_is_named(noise_sd):
    rng = np.random.default_rng(1)
    for name, shares in SHARES.items():
        stored = {each: counted(rng, SHARES[each]) for each in SHARES}
        answer = recurrence_of(counted(rng, shares, 800, noise_sd), stored)
        assert answer.returned_to == name
        assert answer.fits[name].probability > 0.99
        assert answer.fits[name].p_value > 0.01


def test_something_new_is_never_forced_on_a_reference():
    rng = np.random.default_rng(2)
    stored = {each: counted(rng, SHARES[each]) for each in SHARES}
    answer = recurrence_of(counted(rng, NEW, 800), stored)
    assert answer.returned_to is None
    assert answer.probability_new > 0.99


def test_two_references_alike_share_the_probability():
    rng = np.random.default_rng(3)
    twins = {each: counted(rng, SHARES["winter"]) for each in ("v1", "v2")}
    answer = recurrence_of(counted(rng, SHARES["winter"], 500), twins)
    assert answer.returned_to is None
    assert sum(fit.probability for fit in answer.fits.values()) > 0.99


def test_too_few_examples_name_nobody():
    rng = np.random.default_rng(4)
    stored = {"winter": counted(rng, SHARES["winter"]), "spring": counted(rng, SHARES["spring"])}
    answer = recurrence_of(Histogram(EDGES, [1, 0, 0, 1, 0, 0, 0, 0]), stored)
    assert answer.returned_to is None


def test_rounds_that_vary_still_fit_where_their_variation_is_told():
    rng = np.random.default_rng(5)
    near = SHARES["winter"] * (1 + 0.1 * np.array([1, -1] * 4))
    stored = {each: counted(rng, SHARES[each], 100_000) for each in SHARES}
    current = counted(rng, near / near.sum(), 100_000)
    assert recurrence_of(current, stored).returned_to is None
    assert recurrence_of(current, stored, tau_squared=0.002).returned_to == "winter"


@settings(max_examples=30, deadline=None)
@given(
    counts=st.lists(st.integers(0, 50), min_size=8, max_size=8).filter(any),
    order=st.permutations(list(SHARES)),
)
def test_probabilities_add_up_whatever_the_order(counts, order):
    rng = np.random.default_rng(6)
    stored = {each: counted(rng, SHARES[each]) for each in SHARES}
    plain = recurrence_of(Histogram(EDGES, counts), stored)
    other = recurrence_of(Histogram(EDGES, counts), {each: stored[each] for each in order})
    total = plain.probability_new + sum(fit.probability for fit in plain.fits.values())
    assert total == pytest.approx(1)
    assert plain.returned_to == other.returned_to
    for name, fit in plain.fits.items():
        assert other.fits[name].probability == pytest.approx(fit.probability, rel=1e-9)
        assert np.isfinite([fit.p_value, fit.effect]).all()


def test_categories_are_compared_too():
    stored = {"old": Histogram.of_categories([500, 300, 200])}
    answer = recurrence_of(Histogram.of_categories([255, 148, 97]), stored)
    assert answer.returned_to == "old"
    assert answer.fits["old"].effect_unit == "probability"


def test_bad_input_is_refused_by_name():
    some = Histogram([0, 1, 2], [3, 4])
    assert recurrence_of(some, {}).probability_new == 1
    with pytest.raises(EmptySampleError):
        recurrence_of(Histogram([0, 1, 2], [0, 0]), {"a": some})
    with pytest.raises(EmptySampleError):
        recurrence_of(some, {"a": Histogram([0, 1, 2], [0, 0])})
    with pytest.raises(EdgesDifferError):
        recurrence_of(some, {"a": Histogram([0, 1, 3], [3, 4])})
    for options in ({"tau_squared": -1.0}, {"prior_new": 0.0}, {"alpha": 1.0}):
        with pytest.raises(BadParameterError):
            recurrence_of(some, {"a": some}, **options)
