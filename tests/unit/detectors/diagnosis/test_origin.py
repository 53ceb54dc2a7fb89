import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.diagnosis.origin import Origin, origin_of_drift
from detectors.errors import (
    BadParameterError,
    EmptySampleError,
    NegativeCountError,
    NotFiniteError,
    ShapeError,
)

USUAL = np.array([[0.50, 0.06], [0.04, 0.40]])
MATRIX = st.lists(st.lists(st.integers(0, 60), min_size=3, max_size=3), min_size=3, max_size=3)


def moved(origin):
    """The joint distribution of label and prediction after a drift of this origin."""
    margins = np.array([0.42, 0.58])
    if origin is Origin.VIRTUAL:
        return USUAL / USUAL.sum(axis=0) * margins
    if origin is Origin.LABEL:
        return USUAL / USUAL.sum(axis=1, keepdims=True) * margins[:, np.newaxis]
    if origin is Origin.REAL:
        return np.array([[0.82, 0.25], [0.18, 0.75]]) * USUAL.sum(axis=0)
    if origin is Origin.MIXED:
        return np.array([[0.82, 0.25], [0.18, 0.75]]) * margins
    return USUAL


@pytest.mark.parametrize("origin", Origin)
@pytest.mark.parametrize("noise_sd", [0.0, 5.0])
def test_each_origin_is_found(origin, noise_sd):
    rng = np.random.default_rng(1)

    def drawn(n, cells):
        counts = rng.multinomial(n, np.ravel(cells)).reshape(2, 2)
        return counts + rng.laplace(0, noise_sd / np.sqrt(2), (2, 2))

    answers = [
        origin_of_drift(drawn(9000, USUAL), drawn(3000, moved(origin)), noise_sd=(noise_sd,) * 2)
        for _ in range(40)
    ]
    assert np.mean([each.origin is origin for each in answers]) >= 0.9
    assert np.mean([each.probabilities[origin] for each in answers]) >= 0.8


def test_a_few_examples_say_little():
    shares = origin_of_drift([[3, 1], [1, 3]], [[2, 1], [1, 2]]).probabilities
    assert max(shares.values()) < 0.5
    assert min(shares.values()) > 0.05


@settings(max_examples=50, deadline=None)
@given(before=MATRIX.filter(np.any), after=MATRIX.filter(np.any), order=st.permutations(range(3)))
def test_the_order_of_classes_does_not_matter(before, after, order):
    turned = [np.array(side)[np.ix_(order, order)] for side in (before, after)]
    plain, other = origin_of_drift(before, after), origin_of_drift(*turned)
    assert plain.probabilities == pytest.approx(other.probabilities, rel=1e-6, abs=1e-12)
    assert sum(plain.probabilities.values()) == pytest.approx(1)
    assert plain.log_evidence[Origin.NONE] == 0


@settings(max_examples=50, deadline=None)
@given(before=MATRIX.filter(np.any), after=MATRIX.filter(np.any))
def test_labels_and_predictions_change_places(before, after):
    plain = origin_of_drift(before, after).log_evidence
    other = origin_of_drift(np.transpose(before), np.transpose(after)).log_evidence
    assert plain[Origin.VIRTUAL] == pytest.approx(other[Origin.LABEL], abs=1e-8)
    assert plain[Origin.MIXED] == pytest.approx(other[Origin.MIXED], abs=1e-8)


def test_a_prior_rules_out():
    shares = origin_of_drift(
        [[450, 50], [50, 450]],
        [[390, 110], [110, 390]],
        prior={Origin.NONE: 1, Origin.LABEL: 1},
    ).probabilities
    assert shares[Origin.REAL] == 0
    assert sum(shares.values()) == pytest.approx(1)


@pytest.mark.parametrize(
    ("reference", "options", "error"),
    [
        ([1, 2], {}, ShapeError),
        ([[1]], {}, ShapeError),
        (np.ones((3, 3)), {}, ShapeError),
        ([[0, 0], [0, 0]], {}, EmptySampleError),
        ([[-1, 2], [3, 4]], {}, NegativeCountError),
        ([[np.inf, 2], [3, 4]], {}, NotFiniteError),
        ([[1, 2], [3, 4]], {"noise_sd": (-1.0, 0.0)}, BadParameterError),
        ([[1, 2], [3, 4]], {"prior": {Origin.NONE: 0.0}}, BadParameterError),
    ],
)
def test_bad_input_is_refused_by_name(reference, options, error):
    with pytest.raises(error):
        origin_of_drift(reference, [[1, 2], [3, 4]], **options)


def test_a_billion_examples_are_answered():
    answer = origin_of_drift(USUAL * 1e9, USUAL * 1e9)
    assert answer.origin is Origin.NONE
    assert np.isfinite(list(answer.log_evidence.values())).all()
