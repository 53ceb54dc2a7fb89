"""Fakers are found; honest clients, however small and different, are not accused."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors import Histogram
from detectors.clients.consistency import Claims, contradictions
from detectors.clients.likeness import likenesses
from detectors.clients.plausibility import Implausible, find_implausible, outlying
from detectors.errors import BadParameterError, EdgesDifferError, NotFiniteError, ShapeError


def honest(seed, count=20, bins=10, alpha=1.0, sizes=(3, 3000), noise=0.0):
    """Clients with Dirichlet distributions (equal ones for alpha None) and log-uniform sizes."""
    rng = np.random.default_rng(seed)
    common = rng.dirichlet(np.ones(bins) * 2)
    found = {}
    for number in range(count):
        size = int(np.exp(rng.uniform(*np.log(sizes))))
        own = common if alpha is None else rng.dirichlet(alpha * bins * common + 1e-3)
        counts = rng.multinomial(size, own) + noise * rng.normal(size=bins)
        found[f"c{number}"] = Histogram.of_categories(counts, noise_sd=noise)
    return found


def claims(histograms, noise=0.0):
    return {
        client: Claims(each.total, {"age": each}, noise_sd=noise)
        for client, each in histograms.items()
    }


@pytest.mark.parametrize(
    "what",
    [
        {"alpha": None},
        {"alpha": 0.1},
        {"alpha": 1.0},
        {"alpha": None, "sizes": (1000, 1001), "bins": 5, "count": 40},
        {"alpha": None, "sizes": (100, 101), "bins": 2, "count": 40},
        {"alpha": 1.0, "sizes": (100, 3000), "noise": 5.0},
        {"alpha": 0.3, "sizes": (1, 5), "bins": 4},
    ],
    ids=str,
)
def test_honest_clients_are_not_accused(what):
    alike, out, accused = [], [], 0
    for seed in range(25):
        histograms = honest(seed, **what)
        alike += [each.p_value for each in likenesses(histograms).values()]
        out += list(outlying(histograms).values())
        accused += bool(find_implausible(claims(histograms, what.get("noise", 0)), level=0.05))
    assert np.mean(np.array(alike) <= 0.05) <= 0.05
    assert sum(each <= 0.01 for each in out) <= 0.03 * len(out)
    assert accused <= 4


def test_copies_are_found_and_name_each_other():
    histograms = honest(1, sizes=(300, 3000))
    histograms |= {f"sybil{k}": histograms["c3"] for k in range(3)}
    findings = find_implausible(claims(histograms))
    assert {each.client for each in findings} == {"c3", "sybil0", "sybil1", "sybil2"}
    assert {each.kind for each in findings} == {Implausible.COPY}
    assert all(each.peer in {"c3", "sybil0", "sybil1", "sybil2"} for each in findings)
    assert all(0 < each.p_value < 1e-6 and not each.impossible for each in findings)


def test_small_equal_counts_are_no_copy():
    histograms = {f"c{k}": Histogram.of_categories([3.0, 0, 0]) for k in range(5)}
    assert find_implausible(claims(histograms)) == ()


def test_noised_counts_never_coincide():
    histograms = honest(2, noise=3.0, sizes=(300, 3000))
    histograms["sybil"] = histograms["c3"]
    findings = find_implausible(claims(histograms, 3.0))
    assert {each.client for each in findings} == {"c3", "sybil"}
    assert all(each.impossible for each in findings)


def test_a_copy_with_a_little_dirt_on_it_is_too_alike():
    histograms = honest(4, sizes=(2000, 3000))
    dirty = histograms["c3"].counts + np.resize([1, -1], 10)
    histograms["sybil"] = Histogram.of_categories(np.maximum(dirty, 0))
    findings = find_implausible(claims(histograms))
    assert {each.client for each in findings} == {"c3", "sybil"}
    assert findings[0].kind is Implausible.TOO_ALIKE


def test_whoever_recites_the_crowds_average_is_too_alike():
    histograms = honest(5, alpha=None, sizes=(2000, 3000))
    crowd = np.sum([each.counts for each in histograms.values()], axis=0)
    histograms["parrot"] = Histogram.of_categories(np.round(crowd / crowd.sum() * 2500))
    (finding,) = find_implausible(claims(histograms))
    assert (finding.client, finding.kind, finding.peer) == ("parrot", Implausible.TOO_ALIKE, None)


def test_a_client_far_from_peers_that_are_close_is_outlying():
    histograms = honest(6, alpha=30.0, sizes=(500, 3000))
    histograms["odd"] = Histogram.of_categories([0.0] * 9 + [2000.0])
    (finding,) = find_implausible(claims(histograms))
    assert (finding.client, finding.kind) == ("odd", Implausible.OUTLYING)


def test_the_bound_on_a_copys_chance_holds_for_two_clients():
    rng, copies = np.random.default_rng(7), []
    for _ in range(4000):
        one, other = rng.multinomial(12, [0.5, 0.3, 0.2], size=2)
        pair = {"a": Histogram.of_categories(one), "b": Histogram.of_categories(other)}
        copies.append(likenesses(pair)["a"].p_value)
    for level in (0.05, 0.1, 0.2, 0.3):
        assert np.mean(np.array(copies) <= level) <= level


CONSISTENT = {
    "num_examples": 10,
    "label_counts": [6, 4],
    "prediction_counts": [5, 5],
    "confusion": [[4, 2], [1, 3]],
    "correct": 7,
    "loss_sum": 5.0,
    "loss_sumsq": 4.0,
}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"num_examples": 11}, "total of label_counts is 10, and num_examples is 11"),
        ({"label_counts": [5, 5]}, "total for class 0 is 6, and label_counts of it is 5"),
        ({"prediction_counts": [6, 4]}, "total for class 0 is 5, and prediction_counts of it"),
        ({"correct": 8}, "diagonal is 7, and correct is 8"),
        ({"correct": 11}, "correct is 11, more than num_examples, 10"),
        ({"correct": -1}, "correct is -1, below zero"),
        ({"loss_sumsq": 2.4}, "loss_sum^2 is more than"),
        ({"loss_sumsq": 2.5}, "all losses are equal"),
        ({"histograms": {"age": Histogram.of_categories([5, 6])}}, "total of age is 11"),
    ],
)
def test_numbers_that_do_not_fit_together_are_impossible(change, reason):
    found = contradictions(Claims(**(CONSISTENT | change)))
    assert any(reason in each.reason for each in found)
    assert all(each.p_value == 0 for each in found)
    (finding,) = find_implausible({"a": Claims(**(CONSISTENT | change))})
    assert finding.kind is Implausible.CONTRADICTION
    assert finding.impossible


def test_numbers_that_fit_are_left_alone():
    assert contradictions(Claims(**CONSISTENT)) == []


@given(errors=st.lists(st.floats(-1, 1), min_size=9, max_size=9))
def test_noise_within_reason_is_no_contradiction(errors):
    noised = np.array([10, 6, 4, 4, 2, 1, 3, 7, 5]) + np.array(errors)
    n, first, second, a, b, c, d, correct, _ = noised
    told = Claims(n, {}, [first, second], None, [[a, b], [c, d]], correct, noise_sd=1.0)
    assert find_implausible({"a": told}) == ()
    beyond = Claims(n + 300, {}, [first, second], noise_sd=1.0)
    assert find_implausible({"a": beyond})[0].kind is Implausible.CONTRADICTION


def test_nobody_and_too_few_are_defined():
    assert find_implausible({}) == ()
    assert outlying(honest(1, count=5)) == {}
    assert likenesses({"a": Histogram.of_categories([1, 2])}) == {}
    empty = {"a": Claims(0, {"age": Histogram.of_categories([0, 0])})}
    assert find_implausible(empty) == ()


def test_bad_input_is_refused_by_name():
    with pytest.raises(NotFiniteError):
        contradictions(Claims(float("nan")))
    with pytest.raises(NotFiniteError):
        contradictions(Claims(10, label_counts=[np.inf, 1]))
    with pytest.raises(ShapeError):
        contradictions(Claims(10, confusion=[[1, 2, 3], [4, 5, 6]]))
    with pytest.raises(ShapeError):
        contradictions(Claims(10, confusion=[[1, 2], [3, 4]], label_counts=[1, 2, 7]))
    with pytest.raises(BadParameterError):
        contradictions(Claims(10, noise_sd=-1.0))
    with pytest.raises(BadParameterError):
        find_implausible({}, level=2.0)
    different = {
        "a": Claims(2, {"age": Histogram.of_categories([1, 1])}),
        "b": Claims(3, {"age": Histogram.of_categories([1, 1, 1])}),
    }
    with pytest.raises(EdgesDifferError):
        find_implausible(different)


def test_negative_counts_without_noise_cannot_be_true():
    exact = contradictions(Claims(10, label_counts=[15.0, -5.0]))
    assert [found.p_value for found in exact] == [0.0]
    assert "the least of label_counts is -5, below zero" in exact[0].reason
    noisy = contradictions(Claims(10, label_counts=[15.0, -5.0], noise_sd=4.0))
    assert all(0.05 < found.p_value <= 1 for found in noisy)
    impossible = contradictions(Claims(10, label_counts=[110.0, -100.0], noise_sd=4.0))
    assert min(found.p_value for found in impossible) < 1e-6
