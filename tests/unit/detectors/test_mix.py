import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors import Histogram, Rate, ks_histogram, merge, reweight, split_histograms, split_rates
from detectors.errors import BadWeightError, EdgesDifferError, EmptySampleError, TooFewError

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
