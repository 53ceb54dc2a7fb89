import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import false_discovery_control

from detectors import benjamini_hochberg, benjamini_yekutieli
from detectors.errors import BadParameterError, NotFiniteError, ShapeError

P_VALUES = st.lists(st.floats(0, 1), min_size=1, max_size=30)


def step_up(p_values: list[float], factor: float) -> np.ndarray:
    """The definition: q_i is the least m / rank * p over all p-values that are no smaller."""
    p = np.array(p_values)
    ranks = np.array([np.sum(p <= value) for value in p])
    scaled = np.minimum(p * p.size * factor / ranks, 1)
    return np.array([scaled[p >= value].min() for value in p])


@settings(deadline=None)
@given(P_VALUES)
def test_q_values_are_those_of_the_definition(p_values):
    harmonic = sum(1 / k for k in range(1, len(p_values) + 1))
    assert benjamini_hochberg(p_values) == pytest.approx(step_up(p_values, 1.0))
    assert benjamini_yekutieli(p_values) == pytest.approx(step_up(p_values, harmonic))


@settings(deadline=None)
@given(P_VALUES)
def test_q_values_are_scipys_to_the_last_bit(p_values):
    ours, scipys = benjamini_hochberg(p_values), false_discovery_control(p_values)
    assert ours.tolist() == scipys.tolist()
    ours, scipys = benjamini_yekutieli(p_values), false_discovery_control(p_values, method="by")
    assert ours.tolist() == scipys.tolist()


@settings(deadline=None)
@given(P_VALUES, st.sampled_from([0.0, 0.05, 0.3, 1.0]))
def test_up_to_a_level_no_larger_p_value_is_needed(p_values, level):
    p = np.array(p_values)
    whole, part = np.asarray(benjamini_hochberg(p)), p[p <= level]
    alone = np.asarray(benjamini_hochberg(part, tests=p.size))
    assert ((alone <= level) == (whole[p <= level] <= level)).all()
    assert (alone[alone <= level] == whole[p <= level][alone <= level]).all()
    assert not (whole[p > level] <= level).any()
    with pytest.raises(BadParameterError):
        benjamini_hochberg(p, tests=p.size - 1)


def test_false_discoveries_stay_in_the_budget():
    rng = np.random.default_rng(1)
    shares = []
    for _ in range(300):
        p_values = np.concatenate((rng.uniform(size=180), rng.uniform(0, 1e-4, size=20)))
        found = benjamini_hochberg(p_values) <= 0.1
        shares.append(found[:180].sum() / max(found.sum(), 1))
    assert np.mean(shares) <= 0.1


def test_nothing_in_nothing_out():
    assert benjamini_hochberg([]).size == 0


@pytest.mark.parametrize(
    ("bad", "error"),
    [
        ([0.1, 1.1], BadParameterError),
        ([-0.1], BadParameterError),
        ([float("nan")], NotFiniteError),
        ([[0.1]], ShapeError),
    ],
)
def test_bad_p_values_are_refused(bad, error):
    with pytest.raises(error):
        benjamini_hochberg(bad)
