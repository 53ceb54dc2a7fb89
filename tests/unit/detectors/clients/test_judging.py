import numpy as np
import pytest

from detectors.clients.judging import judge
from detectors.errors import NegativeCountError, ShapeError, TooFewError


def played(rng, clients, n, model_error, judge_error, together=0.0):
    """Two models that err, together with that probability, on n examples of every client."""
    truth = rng.random((clients, n)) < 0.3
    judge_wrong = rng.random((clients, n)) < judge_error
    own = rng.random((clients, n)) < model_error
    model_wrong = np.where(rng.random((clients, n)) < together, judge_wrong, own)
    model, older = truth ^ model_wrong, truth ^ judge_wrong
    crossed = np.array(
        [
            [[np.sum((m == a) & (j == b)) for b in (False, True)] for a in (False, True)]
            for m, j in zip(model, older, strict=True)
        ]
    )
    return crossed, model_wrong.mean()


@pytest.mark.parametrize("together", [0.0, 0.5, 1.0])
def test_the_bounds_hold_however_errors_depend_on_each_other(together):
    rng = np.random.default_rng(1)
    held = 0
    for _ in range(60):
        crossed, error = played(rng, 12, 300, 0.2, 0.1, together)
        validated = rng.binomial(300, 0.1, 12)
        found = judge(crossed, validated, np.full(12, 300))
        held += found.lower <= error <= found.upper
    assert held >= 57


def test_with_independent_errors_the_error_is_a_number():
    crossed, error = played(np.random.default_rng(2), 40, 2000, 0.2, 0.1)
    found = judge(crossed, np.full(40, 200), np.full(40, 2000))
    assert found.if_independent == pytest.approx(error, abs=0.01)


def test_a_judge_that_never_errs_says_the_error_itself():
    crossed, error = played(np.random.default_rng(3), 10, 500, 0.2, 0.0)
    found = judge(crossed, np.zeros(10), np.full(10, 500))
    assert found.disagreement.value == pytest.approx(error)
    assert found.if_independent == pytest.approx(error)
    assert found.judge_error.upper == 0


def test_more_classes_have_bounds_and_recalls_alone():
    crossed = [[[30, 1, 0], [0, 30, 0], [2, 0, 0]]] * 3
    found = judge(crossed, [5, 6, 5], [60, 60, 60])
    assert found.if_independent is None
    assert found.recalls == (30 / 32, 30 / 31, None)


@pytest.mark.parametrize(
    ("crossed", "error"),
    [
        ([[1, 2], [3, 4]], ShapeError),
        ([[[1, -2], [3, 4]]] * 2, NegativeCountError),
        ([[[1, 2], [3, 4]]], TooFewError),
    ],
)
def test_bad_counts_are_refused(crossed, error):
    with pytest.raises(error):
        judge(crossed, [1, 2], [10, 10])
