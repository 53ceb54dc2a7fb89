import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors import Histogram, Rate, ks_histogram, merge, reweight, split_histograms, split_rates
from detectors.clients.mix import split_distance
from detectors.errors import (
    BadWeightError,
    EdgesDifferError,
    EmptySampleError,
    NotFiniteError,
    TooFewError,
)

EDGES = [0, 1, 2, 3, 4]
CLIENTS = st.dictionaries(
    st.sampled_from("abcdef"),
    st.lists(st.integers(0, 40), min_size=4, max_size=4).filter(any),
    min_size=1,
)


def counted(clients: dict[str, list[int]]) -> dict[str, Histogram]:
    return {client: Histogram(EDGES, counts) for client, counts in clients.items()}


@settings(max_examples=60, deadline=None)
@given(before=CLIENTS, after=CLIENTS)
def test_the_parts_add_up_exactly(before, after):
    reference, current = counted(before), counted(after)
    split = split_histograms(reference, current)
    change = merge(current.values()).cdf()[:-1] - merge(reference.values()).cdf()[:-1]
    assert split.within + split.mix == pytest.approx(change, abs=1e-12)
    assert split.total_distance == pytest.approx(np.abs(change).max(), abs=1e-12)
    assert sum(split.client_shares.values()) == pytest.approx(1, abs=1e-6)
    assert set(split.client_shares) == set(before) | set(after)


def test_who_took_part_is_no_movement():
    early, late = [90, 10, 0, 0], [0, 0, 10, 90]
    reference = counted({"a": early, "b": late})
    split = split_histograms(reference, counted({"a": [9, 1, 0, 0], "b": late}))
    assert split.within_distance == pytest.approx(0, abs=1e-12)
    assert split.mix_distance > 0.3


def test_movement_is_no_mix_and_is_traced_to_its_client():
    still = [25, 25, 25, 25]
    split = split_histograms(
        counted({"a": still, "b": [90, 10, 0, 0]}), counted({"a": still, "b": [0, 0, 10, 90]})
    )
    assert split.mix_distance == pytest.approx(0, abs=1e-12)
    assert split.within_distance == pytest.approx(0.5)
    assert split.client_shares == pytest.approx({"a": 0, "b": 1})


def test_a_client_on_one_side_only_counts_as_mix():
    reference = counted({"a": [50, 50, 0, 0]})
    split = split_histograms(reference, counted({"a": [50, 50, 0, 0], "new": [0, 0, 0, 100]}))
    assert split.within_distance == 0
    assert split.mix_distance == pytest.approx(split.total_distance)
    assert split.client_shares == {"a": 0.5, "new": 0.5}


def test_categories_are_split_by_total_variation():
    before = {"a": Histogram.of_categories([60, 40]), "b": Histogram.of_categories([50, 50])}
    after = {"a": Histogram.of_categories([40, 60]), "b": Histogram.of_categories([50, 50])}
    split = split_histograms(before, after)
    assert split.within_distance == pytest.approx(0.1)
    assert split.client_shares == pytest.approx({"a": 1, "b": 0})


def test_a_reference_reweighted_to_the_current_mix_shows_movement_alone():
    rng = np.random.default_rng(1)
    shares = {"a": [0.6, 0.2, 0.1, 0.1], "b": [0.1, 0.1, 0.2, 0.6]}
    sizes = {"a": (3000, 400), "b": (500, 2000)}
    before, after = (
        {c: Histogram(EDGES, rng.multinomial(sizes[c][side], shares[c])) for c in shares}
        for side in (0, 1)
    )
    pooled = merge(after.values())
    assert ks_histogram(merge(before.values()), pooled).p_value < 1e-6
    weighted = reweight(before, after)
    assert ks_histogram(weighted, pooled).p_value > 0.05
    assert weighted.total <= 3500


def test_reweighting_carries_the_noise_along():
    noisy = {"a": Histogram([0, 1, 2], [50, 50], noise_sd=2.0)}
    assert reweight(noisy, noisy).noise_sd == pytest.approx(2.0)
    with pytest.raises(TooFewError):
        reweight(noisy, {"b": noisy["a"]})


RATES = st.dictionaries(
    st.sampled_from("abcdef"),
    st.builds(Rate, st.floats(-100, 100), st.integers(1, 1000)),
    min_size=1,
)


@settings(max_examples=60, deadline=None)
@given(before=RATES, after=RATES)
def test_rates_split_exactly(before, after):
    split = split_rates(before, after)

    def pooled(rates: dict[str, Rate]) -> float:
        return sum(r.total for r in rates.values()) / sum(r.n for r in rates.values())

    assert split.total == pytest.approx(pooled(after) - pooled(before), abs=1e-9)
    assert split.within + split.mix == pytest.approx(split.total, abs=1e-12)


def test_rates_that_say_nothing_are_refused():
    with pytest.raises(EmptySampleError):
        split_rates({"a": Rate(0, 0)}, {"a": Rate(1, 2)})
    with pytest.raises(BadWeightError):
        split_rates({"a": Rate(1, -2)}, {"a": Rate(1, 2)})
    with pytest.raises(EmptySampleError):
        split_histograms({}, counted({"a": [1, 0, 0, 0]}))
    with pytest.raises(EdgesDifferError):
        split_histograms(counted({"a": [1, 0, 0, 0]}), {"a": Histogram([0, 1, 2], [1, 2])})


def total_variation(p: Histogram, q: Histogram) -> float:
    return float(np.abs(p.pmf() - q.pmf()).sum() / 2)


def hellinger(p: Histogram, q: Histogram) -> float:
    root = np.sqrt(np.maximum(p.pmf(), 0)) - np.sqrt(np.maximum(q.pmf(), 0))
    return float(np.sqrt(np.sum(root**2) / 2))


def psi(p: Histogram, q: Histogram) -> float:
    a, b = ((each.counts + 0.5) / (each.total + 0.5 * each.counts.size) for each in (p, q))
    return float(np.sum((b - a) * np.log(b / a)))


def wasserstein(p: Histogram, q: Histogram) -> float:
    return float(np.abs(p.cdf() - q.cdf())[:-1] @ np.diff(p.mid_points))


def energy(p: Histogram, q: Histogram) -> float:
    return float(2 * ((p.cdf() - q.cdf())[:-1] ** 2) @ np.diff(p.mid_points))


def kolmogorov(p: Histogram, q: Histogram) -> float:
    return float(np.abs(p.cdf() - q.cdf()).max())


DISTANCES = [total_variation, hellinger, psi, wasserstein, energy, kolmogorov]
each_distance = pytest.mark.parametrize("distance", DISTANCES, ids=lambda d: d.__name__)


@each_distance
@settings(max_examples=25, deadline=None)
@given(before=CLIENTS, after=CLIENTS)
def test_any_distance_splits_into_parts_that_add_up(distance, before, after):
    reference, current = counted(before), counted(after)
    split = split_distance(reference, current, distance)
    whole = distance(merge(reference.values()), merge(current.values()))
    assert split.total == pytest.approx(whole, abs=1e-9)
    assert split.within + split.mix == pytest.approx(split.total, abs=1e-12)


@each_distance
@settings(max_examples=25, deadline=None)
@given(shapes=CLIENTS, data=st.data())
def test_where_no_client_moved_nothing_is_within(distance, shapes, data):
    factors = {client: data.draw(st.integers(1, 50), label=client) for client in shapes}
    moreover = {c: [factors[c] * count for count in counts] for c, counts in shapes.items()}
    split = split_distance(counted(shapes), counted(moreover), distance)
    if distance is not psi:  # its half counts weigh more where there are fewer examples
        assert split.within == pytest.approx(0, abs=1e-7)


@each_distance
@settings(max_examples=25, deadline=None)
@given(data=st.data(), clients=st.integers(1, 5))
def test_where_all_take_part_as_before_nothing_is_mix(distance, data, clients):
    counts = st.lists(st.integers(0, 10), min_size=3, max_size=3)
    sides = []
    for _ in range(2):
        drawn = {str(c): data.draw(counts) for c in range(clients)}
        sides.append(counted({c: [*some, 40 - sum(some)] for c, some in drawn.items()}))
    split = split_distance(*sides, distance)
    assert split.mix == pytest.approx(0, abs=1e-7)


def test_the_split_of_a_linear_distance_is_that_of_the_change_itself():
    reference = counted({"a": [40, 40, 10, 10], "b": [5, 5, 40, 50]})
    current = counted({"a": [80, 80, 20, 20], "b": [5, 5, 40, 50]})
    split = split_distance(reference, current, lambda p, q: q.mean - p.mean)
    rates = [
        {c: Rate(h.mean * h.total, h.total) for c, h in side.items()}
        for side in (reference, current)
    ]
    assert split.mix == pytest.approx(split_rates(*rates).mix)


def test_a_distance_that_is_no_number_is_refused():
    both = counted({"a": [1, 2, 3, 4]})
    with pytest.raises(NotFiniteError):
        split_distance(both, both, lambda p, q: float("nan"))
    with pytest.raises(EmptySampleError):
        split_distance({}, both, kolmogorov)
    with pytest.raises(EdgesDifferError):
        split_distance(both, {"a": Histogram([0, 1, 2], [1, 2])}, kolmogorov)
