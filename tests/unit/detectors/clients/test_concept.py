import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.clients.concept import Given, concept_shift
from detectors.errors import (
    BadParameterError,
    NegativeCountError,
    NotFiniteError,
    ShapeError,
)

MATRIX = st.lists(st.lists(st.integers(0, 40), min_size=3, max_size=3), min_size=3, max_size=3)


def drawn(rng, n, clients, cells, noise_sd=0.0):
    counts = rng.multinomial(n, np.ravel(cells), size=clients).reshape(clients, 2, 2)
    return counts + rng.laplace(0, noise_sd / np.sqrt(2), counts.shape) if noise_sd else counts


USUAL = [[0.50, 0.06], [0.04, 0.40]]


@pytest.mark.parametrize("given_", Given)
@pytest.mark.parametrize("noise_sd", [0.0, 1.4])
@pytest.mark.parametrize("n", [40, 1000])
def test_false_alarms_are_as_rare_as_asked_for(given_, noise_sd, n):
    rng = np.random.default_rng(1)
    sides = [drawn(rng, size, 4000, USUAL, noise_sd) for size in (5 * n, n)]
    shift = concept_shift(
        *sides, given=given_, reference_noise_sd=noise_sd, current_noise_sd=noise_sd
    )
    for level in (0.01, 0.05):
        band = 3 * np.sqrt(level * (1 - level) / 4000)
        assert np.mean(shift.p_value <= level) <= level + band


def test_large_counts_give_uniform_p_values():
    rng = np.random.default_rng(2)
    shift = concept_shift(drawn(rng, 20000, 4000, USUAL), drawn(rng, 9000, 4000, USUAL))
    assert np.mean(shift.p_value <= 0.05) == pytest.approx(
        0.05, abs=3 * np.sqrt(0.05 * 0.95 / 4000)
    )


@pytest.mark.parametrize("noise_sd", [0.0, 5.0])
def test_what_it_says_it_can_see_it_sees(noise_sd):
    rng = np.random.default_rng(3)
    before = drawn(rng, 4000, 2000, USUAL, noise_sd)
    noise = {"reference_noise_sd": noise_sd, "current_noise_sd": noise_sd}
    effect = np.median(
        concept_shift(
            before, drawn(rng, 1000, 2000, USUAL, noise_sd), **noise
        ).minimum_detectable_effect[:, 0]
    )
    moved = np.array(USUAL)
    moved[:, 0] += 0.54 * effect * np.array([-1, 1])
    after = drawn(rng, 1000, 2000, moved, noise_sd)
    found = np.mean(concept_shift(before, after, **noise).p_value <= 0.05)
    assert found == pytest.approx(0.8, abs=0.06)


def test_the_frequency_of_labels_alone_moves_nothing_given_the_label():
    before = np.array([[900, 100], [50, 950]])
    shift = concept_shift(before, before * [[3], [1]], given=Given.LABEL)
    assert shift.effects.tolist() == [[0, 0]]
    assert shift.p_value == pytest.approx(1, abs=1e-3)
    assert concept_shift(before, before * [[3], [1]]).p_value[0] < 1e-6


def test_the_frequency_of_predictions_alone_moves_nothing_given_the_prediction():
    before = np.array([[900, 100], [50, 950]])
    assert concept_shift(before, before * [3, 1]).p_value == pytest.approx(1, abs=1e-3)


@settings(max_examples=40, deadline=None)
@given(
    before=st.lists(MATRIX, min_size=4, max_size=4),
    after=st.lists(MATRIX, min_size=4, max_size=4),
    order=st.permutations(range(4)),
)
def test_clients_do_not_depend_on_each_other(before, after, order):
    plain = concept_shift(before, after)
    other = concept_shift(np.array(before)[list(order)], np.array(after)[list(order)])
    assert np.array_equal(plain.p_value[list(order)], other.p_value)
    assert np.array_equal(plain.effects[list(order)], other.effects)


@settings(max_examples=40, deadline=None)
@given(before=MATRIX, after=MATRIX, order=st.permutations(range(3)), given_=st.sampled_from(Given))
def test_the_order_of_classes_does_not_matter(before, after, order, given_):
    turned = [np.array(side)[np.ix_(order, order)] for side in (before, after)]
    plain, other = concept_shift(before, after, given=given_), concept_shift(*turned, given=given_)
    assert plain.p_value == pytest.approx(other.p_value, rel=1e-12)
    assert np.isfinite(plain.p_value).all()
    assert ((plain.p_value >= 0) & (plain.p_value <= 1)).all()


def test_too_little_is_no_silent_stable():
    shift = concept_shift(
        [[[0, 0], [0, 0]], [[9, 1], [1, 9]]], [[[5, 5], [5, 5]], [[9, 1], [1, 9]]]
    )
    assert shift.p_value[0] == 1
    assert shift.sufficient.tolist() == [False, True]
    assert np.isinf(shift.minimum_detectable_effect[0]).all()
    assert shift.effects[0].tolist() == [0, 0]


@pytest.mark.parametrize(
    ("reference", "options", "error"),
    [
        ([[1, 2, 3], [4, 5, 6]], {}, ShapeError),
        ([[1]], {}, ShapeError),
        (np.zeros((0, 2, 2)), {}, ShapeError),
        (np.ones((3, 2, 2)), {}, ShapeError),
        ([[np.nan, 1], [1, 1]], {}, NotFiniteError),
        ([[-1, 1], [1, 1]], {}, NegativeCountError),
        ([[1, 1], [1, 1]], {"reference_noise_sd": -1.0}, BadParameterError),
        ([[1, 1], [1, 1]], {"reference_noise_sd": [1.0, 2.0]}, BadParameterError),
        ([[1, 1], [1, 1]], {"alpha": 0.0}, BadParameterError),
    ],
)
def test_bad_input_is_refused_by_name(reference, options, error):
    with pytest.raises(error):
        concept_shift(reference, [[1, 1], [1, 1]], **options)


def test_negative_counts_with_declared_noise_are_answered():
    shift = concept_shift(
        [[-1, 30], [2, 40]], [[3, 30], [-2, 40]], reference_noise_sd=2.0, current_noise_sd=2.0
    )
    assert np.isfinite(shift.p_value).all()
    assert (np.abs(shift.effects) <= 1).all()
