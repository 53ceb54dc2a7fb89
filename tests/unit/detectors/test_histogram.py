import numpy as np
import pytest

from detectors import Histogram, merge
from detectors.errors import (
    BadEdgesError,
    BadParameterError,
    EdgesDifferError,
    EmptySampleError,
    NotFiniteError,
    ShapeError,
)


def test_moments_and_distribution_come_from_mid_points():
    counts = Histogram([0, 2, 4, 8], [1, 2, 1])
    values = np.array([1, 3, 3, 6])
    assert counts.total == 4
    assert counts.mean == pytest.approx(values.mean())
    assert counts.sd == pytest.approx(values.std())
    assert counts.cdf() == pytest.approx([0.25, 0.75, 1])


def test_values_outside_fall_in_the_first_or_last_bin():
    assert Histogram.of_values([-9, 0.5, 1.5, 99], [0, 1, 2]).counts.tolist() == [2, 2]


def test_merging_adds_counts_and_noise_variances():
    one, other = Histogram([0, 1, 2], [1, 2], noise_sd=3), Histogram([0, 1, 2], [3, 4], noise_sd=4)
    both = merge([one, other])
    assert both.counts.tolist() == [4, 6]
    assert both.noise_sd == 5


def test_a_histogram_cannot_be_changed_behind_its_back():
    counts = np.array([1.0, 2.0])
    histogram = Histogram([0, 1, 2], counts)
    counts[0] = 99
    assert histogram.counts[0] == 1
    with pytest.raises(ValueError, match="read-only"):
        histogram.counts[0] = 5


@pytest.mark.parametrize(
    ("edges", "counts", "error"),
    [
        ([0, 1, 1], [1, 2], BadEdgesError),
        ([0, 2, 1], [1, 2], BadEdgesError),
        ([0, 1], [1], ShapeError),
        ([0, 1, 2], [1, 2, 3], ShapeError),
        ([0, 1, np.inf], [1, 2], NotFiniteError),
        ([0, 1, 2], [1, np.nan], NotFiniteError),
    ],
)
def test_impossible_bins_are_refused(edges, counts, error):
    with pytest.raises(error):
        Histogram(edges, counts)


@pytest.mark.parametrize("noise_sd", [-1.0, float("nan"), float("inf")])
def test_impossible_noise_is_refused(noise_sd):
    with pytest.raises(BadParameterError):
        Histogram([0, 1, 2], [1, 2], noise_sd=noise_sd)


def test_no_counts_have_no_distribution():
    with pytest.raises(EmptySampleError):
        Histogram([0, 1, 2], [0, 0]).cdf()
    with pytest.raises(EmptySampleError):
        Histogram([0, 1, 2], [0, 1e-200]).cdf()
    with pytest.raises(EmptySampleError):
        merge([])


def test_messages_say_what_to_do():
    with pytest.raises(EdgesDifferError, match="one bin spec"):
        merge([Histogram([0, 1, 2], [1, 2]), Histogram([0, 1, 3], [1, 2])])
