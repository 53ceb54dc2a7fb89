import numpy as np
import pytest
import scipy.stats

from detectors import Recommendation, compare_canary
from detectors.clients.paired import mcnemar_mid_p
from detectors.errors import (
    BadParameterError,
    EmptySampleError,
    NegativeCountError,
    NotFiniteError,
    ShapeError,
)

SIZES = np.array([100, 200, 150, 300, 250])


def compared(per_example, **options):
    """Compare where the candidate's mean loss differs by so much at each of five clients."""
    difference = np.asarray(per_example) * SIZES
    right = SIZES * 0.7
    return compare_canary(SIZES, SIZES * 0.6, SIZES * 0.6 + difference, right, right + 5, **options)


def test_a_candidate_that_is_better_everywhere_is_promoted():
    result = compared([-0.05, -0.04, -0.06, -0.05, -0.03])
    assert result.recommendation is Recommendation.PROMOTE
    assert result.loss.high < 0
    assert result.p_superiority < 0.01
    assert (result.clients, result.examples) == (5, 1000)
    assert result.accuracy.estimate == pytest.approx(25 / 1000)


def test_a_candidate_that_is_worse_everywhere_is_rejected():
    result = compared([0.05, 0.04, 0.06, 0.05, 0.03], margin=0.01)
    assert result.recommendation is Recommendation.REJECT
    assert result.p_superiority > 0.99


def test_what_cannot_be_told_yet_is_collected_further():
    assert compared([0.05, -0.05, 0.04, -0.04, 0.0]).recommendation is (
        Recommendation.KEEP_COLLECTING
    )


def test_a_margin_lets_a_candidate_pass_that_is_better_but_not_surely():
    slightly = [-0.03, 0.01, -0.02, -0.01, 0.005]
    assert compared(slightly).recommendation is Recommendation.KEEP_COLLECTING
    allowed = compared(slightly, margin=0.02)
    assert allowed.recommendation is Recommendation.PROMOTE
    assert allowed.p_non_inferiority < 0.05 < allowed.p_superiority


def test_what_one_look_shows_is_not_enough_for_the_fifth():
    """A candidate at t = -5.1 with 4 degrees of freedom."""
    apart = [-0.05, -0.03, -0.06, -0.02, -0.04]
    first, fifth = compared(apart), compared(apart, look=5)
    assert first.recommendation is Recommendation.PROMOTE
    assert fifth.recommendation is Recommendation.KEEP_COLLECTING
    assert (first.loss.low, first.loss.high) == (fifth.loss.low, fifth.loss.high)
    assert fifth.loss.anytime_high > first.loss.anytime_high > first.loss.high
    assert fifth.e_superiority == pytest.approx(first.e_superiority * 2 / 30)
    assert (first.look, fifth.look) == (1, 5)


def test_the_intervals_of_a_look_are_students_at_the_looks_level():
    rng = np.random.default_rng(7)
    champion, candidate = rng.normal(60, 3, 8), rng.normal(58, 3, 8)
    n = np.full(8, 100)
    result = compare_canary(n, champion, candidate, n * 0.5, n * 0.6, alpha=0.12, look=3)
    expected = scipy.stats.ttest_rel(candidate, champion).confidence_interval(0.99)
    bounds = (result.loss.anytime_low * 100, result.loss.anytime_high * 100)
    assert bounds == pytest.approx((expected.low, expected.high), rel=1e-9)
    assert result.accuracy.anytime_low == pytest.approx(0.1)


def recommended(rng, mean, looks, margin=0.005):
    """What 16 clients' pooled rounds lead to, first recommendation that is not to wait."""
    clients, n = 16, np.full(16, 500)
    effects, pooled = rng.normal(mean, 0.02, clients), np.zeros(clients)
    for look in range(1, looks + 1):
        pooled += n * (effects + rng.normal(0, 0.05, clients))
        seen = look * n
        answer = compare_canary(
            seen, seen * 0.6, seen * 0.6 + pooled, seen, seen, margin=margin, look=look
        )
        if answer.recommendation is not Recommendation.KEEP_COLLECTING:
            return answer.recommendation
    return Recommendation.KEEP_COLLECTING


@pytest.mark.parametrize(
    ("mean", "wrong"), [(0.0, Recommendation.REJECT), (0.005, Recommendation.PROMOTE)]
)
def test_peeking_each_round_errs_no_more_often_than_asked(mean, wrong):
    """No worse and yet rejected; worse by the margin and yet promoted: each one side of alpha."""
    rng = np.random.default_rng(11)
    errors = sum(recommended(rng, mean, looks=12) is wrong for _ in range(400))
    assert errors / 400 <= 0.025 + 3 * np.sqrt(0.025 * 0.975 / 400)


def test_a_candidate_as_good_as_those_of_the_demo_is_promoted_within_three_looks():
    rng = np.random.default_rng(12)
    promoted = [recommended(rng, -0.05, looks=3) is Recommendation.PROMOTE for _ in range(100)]
    assert np.mean(promoted) > 0.9


def test_with_equal_clients_it_is_the_paired_t_test():
    rng = np.random.default_rng(1)
    champion, candidate = rng.normal(60, 3, 8), rng.normal(58, 3, 8)
    n = np.full(8, 100)
    result = compare_canary(n, champion, candidate, n * 0.5, n * 0.5)
    expected = scipy.stats.ttest_rel(candidate, champion, alternative="less")
    assert result.p_superiority == pytest.approx(expected.pvalue, rel=1e-9)
    interval = scipy.stats.ttest_rel(candidate, champion).confidence_interval(0.95)
    bounds = (result.loss.low * 100, result.loss.high * 100)
    assert bounds == pytest.approx((interval.low, interval.high), rel=1e-9)


def test_superiority_is_rarely_claimed_where_clients_merely_differ():
    rng = np.random.default_rng(2)
    claims = 0
    for _ in range(400):
        claims += compared(rng.normal(0, 0.05, 5)).p_superiority <= 0.05
    assert claims / 400 <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 400)


@pytest.mark.parametrize("clients", [1, 2])
def test_fewer_than_three_clients_are_no_evidence(clients):
    n = np.full(clients, 1000)
    result = compare_canary(n, n * 0.9, n * 0.1, n * 0.5, n * 0.9)
    assert result.recommendation is Recommendation.KEEP_COLLECTING
    assert not result.sufficient_evidence
    for told in (result.loss.low, result.loss.anytime_low, result.e_superiority):
        assert (told is None) == (clients == 1)


def test_clients_without_examples_are_left_out():
    result = compare_canary([10, 0, 20], [5, 0, 9], [4, 0, 8], [6, 0, 12], [7, 0, 13])
    assert result.clients == 2


def test_the_same_model_twice_is_neither_better_nor_worse():
    result = compared([0.0] * 5)
    assert result.p_superiority == 0.5
    assert result.e_superiority < 1
    assert result.recommendation is Recommendation.KEEP_COLLECTING


def test_mcnemar_mid_p_is_the_exact_test_less_half_the_point():
    exact = scipy.stats.binomtest(3, 15, 0.5).pvalue
    point = scipy.stats.binom.pmf(3, 15, 0.5)
    assert mcnemar_mid_p(3, 12) == pytest.approx(exact - point)
    assert mcnemar_mid_p(5, 5) == 1
    assert mcnemar_mid_p(0, 0) == 1


def test_agreement_is_pooled_over_clients():
    agreement = np.array([[[50, 1], [4, 45]], [[60, 2], [8, 30]], [[0, 0], [0, 0]]])
    n = [100, 100, 50]
    result = compare_canary(n, n, n, [51, 62, 0], [54, 68, 0], agreement)
    assert result.p_mcnemar == pytest.approx(mcnemar_mid_p(3, 12))


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (([0, 0], [0, 0], [0, 0], [0, 0], [0, 0]), EmptySampleError),
        (([-1, 5], [1, 1], [1, 1], [1, 1], [1, 1]), NegativeCountError),
        (([5, 5], [1, np.nan], [1, 1], [1, 1], [1, 1]), NotFiniteError),
        (([5, 5], [1, 1, 1], [1, 1], [1, 1], [1, 1]), ShapeError),
        (([5, 5], [1, 1], [1, 1], [1, 1], [1, 1], [[1, 2], [3, 4]]), ShapeError),
    ],
)
def test_bad_counts_are_refused_by_name(arguments, error):
    with pytest.raises(error):
        compare_canary(*arguments)


@pytest.mark.parametrize(
    "options", [{"margin": -0.1}, {"margin": np.nan}, {"alpha": 1.5}, {"look": 0}, {"look": 1.5}]
)
def test_bad_levels_are_refused(options):
    with pytest.raises(BadParameterError):
        compared([0.0] * 5, **options)
