import numpy as np
import pytest
import scipy.stats

from detectors import Recommendation, compare_canary
from detectors.clients.canary import mcnemar_mid_p
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
    result = compared([-0.05, -0.048, -0.052, -0.05, -0.047])
    assert result.recommendation is Recommendation.PROMOTE
    assert result.outlook is None
    assert float(result.loss.interval(0.05)[1][-1]) < 0
    assert (result.clients, result.examples) == (5, 1000)
    assert float(result.errors.estimate[-1]) == pytest.approx(-25 / 1000)


def test_a_candidate_that_is_worse_everywhere_is_rejected():
    result = compared([0.05, 0.048, 0.052, 0.05, 0.047], margin=0.01)
    assert result.recommendation is Recommendation.REJECT


def test_a_margin_lets_a_candidate_pass_that_is_better_but_not_surely():
    slightly = [-0.03, 0.01, -0.02, -0.01, 0.005]
    assert compared(slightly).recommendation is Recommendation.KEEP_COLLECTING
    assert compared(slightly, margin=0.06).recommendation is Recommendation.PROMOTE


def rounds_of(rng, mean, looks, between=0.02, within=1.0, clients=16, n=500):
    """Sums of loss differences of 16 clients in each round."""
    effects = rng.normal(mean, between, clients)
    return n * effects + np.sqrt(n) * within * rng.normal(size=(looks, clients))


def decided(differences, n=500, margin=0.005):
    size = np.full(differences.shape, n)
    return compare_canary(size, size * 0.6, size * 0.6 + differences, size, size, margin=margin)


def first_decision(rng, mean, looks, **more):
    differences = rounds_of(rng, mean, looks, **more)
    for seen in range(1, looks + 1):
        answer = decided(differences[:seen]).recommendation
        if answer is not Recommendation.KEEP_COLLECTING:
            return answer
    return Recommendation.KEEP_COLLECTING


@pytest.mark.parametrize(
    ("mean", "wrong"), [(0.0, Recommendation.REJECT), (0.005, Recommendation.PROMOTE)]
)
def test_peeking_each_round_errs_no_more_often_than_asked(mean, wrong):
    """No worse and yet rejected; worse by the margin and yet promoted: each one side of alpha."""
    rng = np.random.default_rng(11)
    errors = sum(first_decision(rng, mean, looks=12) is wrong for _ in range(300))
    assert errors / 300 <= 0.025 + 3 * np.sqrt(0.025 * 0.975 / 300)


def test_a_candidate_as_good_as_those_of_the_demo_is_promoted_within_three_looks():
    rng = np.random.default_rng(12)
    found = [first_decision(rng, -0.05, looks=3) is Recommendation.PROMOTE for _ in range(100)]
    assert np.mean(found) > 0.9


def test_the_outlook_comes_true_where_only_rounds_are_missing():
    """Of canaries whose outlook is m rounds, about half are decided by then."""
    rng = np.random.default_rng(13)
    came_true = []
    for _ in range(100):
        differences = rounds_of(rng, -0.03, 60, between=0.0, within=2.0)
        outlook = decided(differences[:3]).outlook
        if outlook is not None and outlook.rounds_more is not None and outlook.rounds_more < 50:
            later = decided(differences[: 3 + outlook.rounds_more])
            came_true.append(later.recommendation is Recommendation.PROMOTE)
    assert len(came_true) > 40
    assert 0.25 < np.mean(came_true) < 0.85


def test_where_clients_differ_more_clients_are_asked_for():
    rng = np.random.default_rng(14)
    result = decided(rounds_of(rng, -0.01, 10, between=0.05, within=0.1))
    assert result.recommendation is Recommendation.KEEP_COLLECTING
    assert result.outlook.rounds_more is None
    assert result.outlook.clients > 16


def test_no_number_of_clients_decides_where_nothing_differs():
    outlook = compared([0.0] * 5).outlook
    assert (outlook.rounds_more, outlook.clients) == (None, None)


@pytest.mark.parametrize("clients", [1, 2])
def test_fewer_than_three_clients_are_no_evidence(clients):
    n = np.full(clients, 1000)
    result = compare_canary(n, n * 0.9, n * 0.1, n * 0.5, n * 0.9)
    assert result.recommendation is Recommendation.KEEP_COLLECTING
    assert (result.sufficient_evidence, result.loss, result.outlook) == (False, None, None)


def test_first_looks_at_too_few_clients_are_put_together():
    n = np.array([[10, 10, 0, 0], [0, 0, 10, 0], [10, 10, 10, 10]])
    result = compare_canary(n, n * 0.6, n * 0.5, n, n)
    assert result.loss.clients.tolist() == [3, 4]


def test_clients_without_examples_are_left_out():
    result = compare_canary([10, 0, 20], [5, 0, 9], [4, 0, 8], [6, 0, 12], [7, 0, 13])
    assert result.clients == 2


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


@pytest.mark.parametrize("options", [{"margin": -0.1}, {"margin": np.nan}, {"alpha": 1.5}])
def test_bad_levels_are_refused(options):
    with pytest.raises(BadParameterError):
        compared([0.0] * 5, **options)
