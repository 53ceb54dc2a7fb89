"""The error budget across rounds: its promise where it is hard, its levels, its state."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.errors import BadParameterError, NotFiniteError, ShapeError, SnapshotError
from detectors.multiplicity.budget import ErrorBudget, round_spending
from detectors.series.recent import recent_shift
from detectors.series.whitening import Baseline

LEVEL = 0.05


def false_share(seed: int, streams: int = 200, rounds: int = 120) -> tuple[float, float]:
    """One world whose evidence overlaps from round to round; share of false, and of found."""
    rng = np.random.default_rng(seed)
    onsets = np.where(np.arange(streams) < 10, rng.integers(5, rounds - 10, streams), rounds)
    values = rng.normal(size=(rounds, streams))
    values += 3.0 * (np.arange(rounds)[:, np.newaxis] >= onsets)
    baseline = Baseline.fit(rng.normal(size=(100, streams)), whiten=False)
    budget, alarms = ErrorBudget(LEVEL), np.full(streams, rounds)
    for now in range(rounds):
        first = max(now - 4, 0)
        scores = recent_shift(baseline, values[first : now + 1], start=first)
        alarms[budget.judge(scores.p_values, range(streams))] = now
    found = alarms < rounds
    assert len(budget.alarmed) == found.sum() == budget.discoveries
    delay = (alarms - onsets)[:10]
    power = float(np.mean((delay >= 0) & (delay <= 5)))
    return (found & (alarms < onsets)).sum() / max(found.sum(), 1), power


def test_of_first_alarms_a_known_share_is_false():
    shares, power = zip(*(false_share(seed) for seed in range(25)), strict=True)
    assert np.mean(shares) <= LEVEL + 3 * np.std(shares) / np.sqrt(len(shares))
    assert np.mean(power) > 0.85


def test_a_world_without_change_alarms_with_half_of_the_level_at_most():
    rng = np.random.default_rng(3)
    alarmed = 0
    for _ in range(400):
        budget = ErrorBudget(0.2)
        for _ in range(40):
            budget.judge(rng.random(20), range(20))
        alarmed += budget.discoveries > 0
    assert alarmed / 400 <= 0.1 + 3 * np.sqrt(0.1 * 0.9 / 400)


def test_levels_by_hand():
    budget = ErrorBudget(0.05)
    spent = round_spending(np.arange(1.0, 4.0))
    assert spent[0] == pytest.approx(1 / 5.591582441, rel=1e-9)
    assert budget.level_for(100) == pytest.approx(0.025 * spent[0] / 100)
    assert budget.judge([0.0, 0.0, *[0.9] * 98], range(100)).sum() == 2
    # What is left of W0, what is left of the first discovery, and the second one.
    expected = 0.025 * spent[1] + 0.025 * spent[0] + 0.05 * spent[0]
    assert budget.level_for(100) == pytest.approx(expected / 100)


def test_levels_spend_no_more_than_they_may():
    """The sum of levels over any history is at most alpha max(1, R)."""
    rng = np.random.default_rng(4)
    budget, spent = ErrorBudget(LEVEL), 0.0
    for _ in range(400):
        spent += budget.level_for(10_000) * 10_000
        before = budget.discoveries
        p_values = np.where(rng.random(30) < 0.01, 0.0, 1.0)
        budget.judge(p_values, rng.choice(10**9, size=30, replace=False).tolist())
        assert spent <= LEVEL * max(1, before) + 1e-12


def test_a_stream_alarms_once_until_it_is_armed_again():
    budget = ErrorBudget(LEVEL)
    assert budget.judge([0.0, 0.5], ["a", "b"]).tolist() == [True, False]
    assert budget.judge([0.0, 0.5], ["a", "b"]).tolist() == [False, False]
    assert budget.alarmed == {"a"}
    budget.rearm(["a", "unknown"])
    assert budget.judge([0.5, 0.0], ["b", "a"]).tolist() == [False, True]
    assert (budget.rounds, budget.discoveries) == (3, 2)


def test_a_round_without_evidence_costs_nothing():
    budget = ErrorBudget(LEVEL)
    before = budget.snapshot()
    assert budget.judge([], []).size == 0
    assert budget.snapshot() == before


@settings(deadline=None, max_examples=30)
@given(
    rounds=st.lists(
        st.lists(st.sampled_from([0.0, 1e-6, 1e-3, 0.5]), min_size=3, max_size=3), max_size=12
    ),
    cut=st.integers(0, 12),
    order=st.permutations(range(3)),
)
def test_restoring_and_the_order_of_streams_change_nothing(rounds, cut, order):
    names = ["north/auc", "south/auc", 7]
    whole, parts, shuffled = ErrorBudget(LEVEL), ErrorBudget(LEVEL), ErrorBudget(LEVEL)
    for position, p_values in enumerate(rounds):
        if position == cut:
            parts = ErrorBudget.restore(parts.snapshot())
        expected = whole.judge(p_values, names).tolist()
        assert parts.judge(p_values, names).tolist() == expected
        other = shuffled.judge([p_values[i] for i in order], [names[i] for i in order])
        assert other.tolist() == [expected[i] for i in order]
    assert ErrorBudget.restore(parts.snapshot()).snapshot() == whole.snapshot()
    assert shuffled.snapshot() == whole.snapshot()


@pytest.mark.parametrize(
    ("p_values", "streams", "error"),
    [
        ([0.1], ["a", "b"], ShapeError),
        ([0.1, 0.2], ["a", "a"], BadParameterError),
        ([1.2], ["a"], BadParameterError),
        ([np.nan], ["a"], NotFiniteError),
    ],
)
def test_a_refused_round_leaves_no_trace(p_values, streams, error):
    budget = ErrorBudget(LEVEL)
    before = budget.snapshot()
    with pytest.raises(error):
        budget.judge(p_values, streams)
    assert budget.snapshot() == before


@pytest.mark.parametrize("snapshot", [b"", b"[]", b"{}", b"\xff", b'{"budget": {"no": 1}}'])
def test_what_is_no_snapshot_is_refused(snapshot):
    with pytest.raises(SnapshotError):
        ErrorBudget.restore(snapshot)


def test_parameters_out_of_range_are_refused():
    for make in (
        lambda: ErrorBudget(1.0),
        lambda: ErrorBudget(0.05, initial=0.1),
        lambda: ErrorBudget(0.05).level_for(0),
    ):
        with pytest.raises(BadParameterError):
            make()
