import math
from itertools import pairwise

import numpy as np
import pytest
import scipy.integrate
import scipy.stats

from detectors.errors import BadParameterError, NotFiniteError
from detectors.sequential.confidence_sequence import (
    PRIOR,
    e_value_below,
    half_width,
    normal_score,
)


def test_a_normal_score_is_exceeded_as_often_as_the_statistic():
    t = np.array([-30.0, -2.1, 0.0, 0.7, 4.0])
    tails = scipy.stats.norm.sf(normal_score(t, 7))
    assert tails == pytest.approx(scipy.stats.t.sf(t, 7), rel=1e-9)


@pytest.mark.parametrize("information", [0.3, 1.0, 4.0])
def test_an_e_value_is_worth_one_where_nothing_differs(information):
    def weighed(score):
        t = math.copysign(scipy.stats.t.isf(scipy.stats.norm.sf(abs(score)), 9), score)
        return float(e_value_below(t, 9, information)) * scipy.stats.norm.pdf(score)

    assert scipy.integrate.quad(weighed, -30, 8, limit=300)[0] == pytest.approx(1, rel=1e-3)


def test_an_e_value_is_the_ratio_of_mixture_densities():
    """By quadrature over the mean, from the lower half of N(0, PRIOR), in first errors."""
    score, information = -2.3, 3.0

    def weighed(mean):
        drawn = scipy.stats.norm.pdf(mean, scale=math.sqrt(PRIOR))
        return 2 * drawn * scipy.stats.norm.pdf(score, mean * math.sqrt(information))

    mixture = scipy.integrate.quad(weighed, -40, 0)[0]
    t = scipy.stats.t.isf(scipy.stats.norm.sf(score), 9)
    ratio = mixture / scipy.stats.norm.pdf(score)
    assert float(e_value_below(t, 9, information)) == pytest.approx(ratio, rel=1e-6)


@pytest.mark.parametrize("freedom", [0.5, 4, 100])
def test_an_e_value_falls_as_the_statistic_rises(freedom):
    values = e_value_below(np.linspace(-20, 40, 400), freedom, 2.0)
    assert all(later < earlier for earlier, later in pairwise(values) if earlier > 1e-200)


def test_the_interval_holds_what_the_two_sided_mixture_does_not_contradict():
    for information in (0.5, 1.0, 20.0):
        half, prior = float(half_width(2.0, 15, information, 0.05)), PRIOR * information
        score = float(normal_score(half / 2.0, 15))
        mixture = math.exp(score**2 * prior / (2 * (1 + prior))) / math.sqrt(1 + prior)
        assert mixture == pytest.approx(20)


def test_there_is_an_answer_at_the_ends():
    assert 0 <= float(e_value_below(math.inf, 5, 1.0)) < 0.02
    assert 1e6 < float(e_value_below(-math.inf, 200, 1e9)) < math.inf
    assert float(half_width(0.0, 5, 1e9, 0.05)) == 0


@pytest.mark.parametrize(
    "call",
    [
        lambda: half_width(1.0, 3, 1.0, 0.0),
        lambda: half_width(1.0, 0, 1.0, 0.05),
        lambda: half_width(1.0, 3, 0.0, 0.05),
        lambda: e_value_below(0.0, -1, 1.0),
    ],
)
def test_bad_parameters_are_refused(call):
    with pytest.raises(BadParameterError):
        call()


def test_a_statistic_is_a_number():
    with pytest.raises(NotFiniteError):
        e_value_below(math.nan, 5, 1.0)
