import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors import Histogram, merge
from detectors.clients.contribution import (
    client_contributions,
    cohort_contributions,
    leave_one_out,
)
from detectors.errors import (
    BadParameterError,
    EdgesDifferError,
    EmptySampleError,
    NotFiniteError,
)

EDGES = [0, 1, 2, 3]
COUNTS = st.lists(st.integers(0, 30), min_size=3, max_size=3).filter(any)
CLIENTS = st.dictionaries(st.sampled_from("abcde"), COUNTS, min_size=2)


def gap(p: Histogram, q: Histogram) -> float:
    return float(np.abs(p.cdf() - q.cdf()).max())


def counted(clients: dict[str, list[int]]) -> dict[str, Histogram]:
    return {client: Histogram(EDGES, counts) for client, counts in clients.items()}


@settings(max_examples=50, deadline=None)
@given(before=CLIENTS, after=CLIENTS)
def test_without_a_client_is_the_distance_of_the_others_pooled(before, after):
    answer = client_contributions(counted(before), counted(after), gap)
    assert set(answer.without) == before.keys() | after.keys()
    for client, without in answer.without.items():
        rest = [{c: h for c, h in side.items() if c != client} for side in (before, after)]
        if all(rest):
            pooled = [merge(counted(side).values()) for side in rest]
            assert without == pytest.approx(gap(*pooled), abs=1e-12)
        else:
            assert without is None


@settings(max_examples=30, deadline=None)
@given(before=CLIENTS, after=CLIENTS)
def test_names_and_order_of_clients_do_not_matter(before, after):
    renamed = [{f"x{c}": h for c, h in reversed(side.items())} for side in (before, after)]
    plain = client_contributions(counted(before), counted(after), gap)
    other = client_contributions(*(counted(side) for side in renamed), gap)
    assert {f"x{c}": d for c, d in plain.without.items()} == pytest.approx(other.without)


def test_the_client_that_moved_makes_the_distance():
    still, moved = [50, 30, 20], [10, 20, 70]
    before = dict.fromkeys("abc", still)
    answer = client_contributions(counted(before), counted({**before, "b": moved}), gap)
    ranked = answer.contributions
    assert next(iter(ranked)) == "b"
    assert ranked["b"] == pytest.approx(answer.total)
    assert ranked["a"] < 0, "without one that stayed, the distance is larger"


def test_a_cohort_is_left_out_as_one():
    before = {c: [50, 30, 20] for c in "abcd"}
    after = {**before, "a": [10, 20, 70], "b": [10, 20, 70]}
    cohorts = {"north": {"a", "b"}, "south": {"c", "d"}, "absent": {"z"}, "all": set("abcd")}
    answer = cohort_contributions(counted(before), counted(after), gap, cohorts)
    assert answer.without["north"] == pytest.approx(0, abs=1e-12)
    assert answer.without["absent"] == answer.total
    assert answer.without["all"] is None
    assert list(answer.contributions) == ["north", "absent", "south", "all"]


def test_features_by_whatever_distance_is_theirs():
    gaps = {"age": 3.0, "dose": 4.0}
    answer = leave_one_out(
        gaps, lambda kept: float(np.hypot(*(gaps[f] * (f in kept) for f in gaps)))
    )
    assert answer.total == 5
    assert answer.contributions == {"dose": 2.0, "age": 1.0}


def test_noise_of_the_others_stays():
    noisy = Histogram(EDGES, [50, -1, 20], noise_sd=2.0)
    seen = []
    client_contributions(
        {"a": noisy, "b": noisy},
        {"a": noisy, "b": noisy},
        lambda p, q: seen.append(p.noise_sd) or 0.0,
    )
    assert seen == pytest.approx([np.sqrt(8), 2, 2])


def test_what_says_nothing_is_refused():
    some = counted({"a": [1, 2, 3]})
    with pytest.raises(EmptySampleError):
        client_contributions({}, some, gap)
    with pytest.raises(EmptySampleError):
        client_contributions(some, counted({"a": [0, 0, 0]}), gap)
    with pytest.raises(EmptySampleError):
        leave_one_out([], lambda kept: 0.0)
    with pytest.raises(BadParameterError):
        cohort_contributions(some, some, gap, {})
    with pytest.raises(EdgesDifferError):
        client_contributions(some, {"a": Histogram([0, 1, 2, 4], [1, 2, 3])}, gap)
    with pytest.raises(NotFiniteError):
        client_contributions(some, some, lambda p, q: float("inf"))
