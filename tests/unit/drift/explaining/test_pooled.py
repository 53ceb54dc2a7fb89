"""The split of a pooled distribution, in arrays, against the library's client by client."""

import numpy as np
import pytest

from app.drift.explaining.pooled import split_shares
from detectors import Histogram, split_distance


def gap(one: Histogram, other: Histogram) -> float:
    return float(np.abs(one.cdf() - other.cdf())[:-1].max())


def variation(one: Histogram, other: Histogram) -> float:
    return float(np.abs(one.pmf() - other.pmf()).sum() / 2)


@pytest.mark.parametrize("categorical", [False, True])
def test_it_is_the_librarys(categorical: bool) -> None:
    rng = np.random.default_rng(5)
    before, after = rng.poisson(20.0, (2, 9, 5)).astype(np.float64)
    before[0], after[1] = 0.0, 0.0  # who joined, and who left
    edges = np.arange(6.0)
    sides = [
        {str(at): Histogram(edges, row, categorical) for at, row in enumerate(side) if row.any()}
        for side in (before, after)
    ]
    expected = split_distance(*sides, variation if categorical else gap)
    within, mix = split_shares(before, after, categorical=categorical)
    assert (within, mix) == pytest.approx((expected.within, expected.mix))


def test_others_taking_part_are_all_of_it_where_no_client_moved() -> None:
    before = np.array([[80.0, 20.0], [10.0, 90.0]])
    within, mix = split_shares(before, before * [[1.0], [9.0]], categorical=False)
    assert (within, mix) == pytest.approx((0.0, 0.28))
