import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from detectors import paired_looks
from detectors.errors import NegativeCountError, ShapeError, TooFewError


def canaries(rng, count, clients, looks, between, within, mean=0.0):
    """Clients of very different sizes, of whom a fifth are absent in each round."""
    size = np.exp(rng.normal(np.log(300), 0.8, (count, 1, clients)))
    n = rng.poisson(size, (count, looks, clients)) * (rng.random((count, looks, clients)) < 0.8)
    effects = mean + between * rng.normal(size=(count, 1, clients))
    return n, n * effects + within * np.sqrt(n) * rng.normal(size=n.shape)


# Where clients differ little between rounds, where they differ little from each other, and both.
@pytest.mark.parametrize(("between", "within"), [(0.02, 0.05), (0.0, 0.5), (0.02, 0.5)])
@pytest.mark.parametrize("clients", [8, 40])
def test_all_looks_together_err_no_more_often_than_asked(clients, between, within):
    drawn = canaries(np.random.default_rng(1), 1500, clients, 20, between, within)
    looks = paired_looks(*drawn)
    low, high = looks.interval(0.05)
    assert ((low > 0) | (high < 0)).any(axis=-1).mean() <= 0.05
    assert (looks.e_below(0.0).max(axis=-1) >= 20).mean() <= 0.05
    fixed_low, fixed_high = looks.fixed_interval(0.05)
    assert ((fixed_low > 0) | (fixed_high < 0)).any(axis=-1).mean() > 0.05


def test_what_lies_between_clients_does_not_shrink_with_rounds():
    drawn = canaries(np.random.default_rng(2), 1, 30, 20, between=0.02, within=0.05)
    looks = paired_looks(*drawn)
    assert looks.standard_error[0, -1] > 0.8 * looks.standard_error[0, 0]
    assert looks.information[0, 0] == 1


def test_with_equal_clients_a_single_look_is_the_paired_t_test():
    rng = np.random.default_rng(3)
    differences = rng.normal(-2, 3, 8)
    looks = paired_looks([[100] * 8], [differences * 100])
    expected = scipy.stats.ttest_1samp(differences, 0, alternative="less")
    # The jackknife of a mean of equal weights is its standard error, to the last digit.
    assert float(looks.p_below(0.0)[0]) == pytest.approx(expected.pvalue, rel=1e-9)
    low, high = looks.fixed_interval(0.05)
    interval = scipy.stats.ttest_1samp(differences, 0).confidence_interval(0.95)
    assert (float(low[0]), float(high[0])) == pytest.approx((interval.low, interval.high))


def test_no_client_weighs_more_than_four_times_the_median_one():
    looks = paired_looks([[100, 100, 100, 10**9]], [[0.0, 0.0, 0.0, 10.0**9]])
    assert float(looks.estimate[0]) == pytest.approx(4 / 7)
    assert float(looks.effective_clients[0]) == pytest.approx(49 / 19)


@given(st.permutations(range(6)), st.floats(0.01, 100))
def test_order_and_unit_of_clients_do_not_matter(order, unit):
    rng = np.random.default_rng(4)
    n, sums = rng.integers(1, 500, (3, 6)), rng.normal(-1, 1, (3, 6))
    one, other = paired_looks(n, sums), paired_looks(n[:, order], unit * sums[:, order])
    assert other.estimate == pytest.approx(unit * one.estimate, rel=1e-9)
    assert other.e_below(0.0) == pytest.approx(one.e_below(0.0), rel=1e-6)


def test_batches_are_canaries_of_their_own():
    drawn = canaries(np.random.default_rng(5), 3, 10, 4, 0.02, 0.5)
    batch, single = paired_looks(*drawn), paired_looks(drawn[0][1], drawn[1][1])
    assert batch.estimate[1] == pytest.approx(single.estimate)
    assert batch.interval(0.1)[0][1] == pytest.approx(single.interval(0.1)[0])


def test_two_versions_that_are_the_same_are_neither_better_nor_worse():
    looks = paired_looks(np.full((3, 5), 100), np.zeros((3, 5)))
    assert looks.p_below(0.0).tolist() == [0.5] * 3
    assert (looks.e_below(0.0) <= 1).all()
    assert (looks.e_above(0.0) <= 1).all()


@pytest.mark.parametrize(
    ("n", "differences", "error"),
    [
        ([[5, 5, 5]], [[1, 1]], ShapeError),
        ([5, 5, 5], [1, 1, 1], ShapeError),
        ([[5, -5, 5]], [[1, 1, 1]], NegativeCountError),
        ([[5, 0, 0]], [[1, 0, 0]], TooFewError),
    ],
)
def test_bad_counts_are_refused(n, differences, error):
    with pytest.raises(error):
        paired_looks(n, differences)
