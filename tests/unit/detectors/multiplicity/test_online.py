"""LORD++, SAFFRON and ADDIS: the papers' formulas, worked examples, the promise, the state."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.errors import BadParameterError, NotFiniteError, ShapeError, SnapshotError
from detectors.multiplicity.online import (
    Addis,
    LordPlusPlus,
    Saffron,
    lord_spending,
    power_spending,
)

LEVEL, W0 = 0.05, 0.025
PROCEDURES = [LordPlusPlus, Saffron, Addis]
every = pytest.mark.parametrize("procedure", PROCEDURES, ids=lambda each: each.NAME)
# Half of them so small that discoveries are made.
P_VALUES = st.lists(st.one_of(st.floats(0, 1), st.floats(0, 1e-3)), max_size=60)


def g(spending, age: int) -> float:
    return float(spending(np.array([float(age)]))[0])


def as_published(p_values, spending, candidate: float, discard: float) -> list[bool]:
    """The sums over indices of Tian & Ramdas (2019); lambda = 0 and tau = 1 with all charged is
    LORD++, tau = 1 is SAFFRON. Ages count from 1."""
    rejected: list[bool] = []
    scale, cap = (discard - candidate, candidate) if candidate else (1.0, 1.0)
    for t in range(len(p_values)):
        charged = [candidate < p <= discard or candidate == 0 for p in p_values[:t]]
        found = [j for j in range(t) if rejected[j]]
        level = W0 * g(spending, 1 + sum(charged))
        for order, j in enumerate(found):
            share = LEVEL - W0 if order == 0 else LEVEL
            level += share * g(spending, 1 + sum(charged[j + 1 :]))
        rejected.append(p_values[t] <= min(cap, scale * level))
    return rejected


@settings(deadline=None, max_examples=40)
@given(P_VALUES)
def test_decisions_are_those_of_the_published_sums(p_values):
    assert LordPlusPlus(LEVEL).judge(p_values).tolist() == as_published(
        p_values, lord_spending, 0.0, 1.0
    )
    assert Saffron(LEVEL).judge(p_values).tolist() == as_published(
        p_values, power_spending, 0.5, 1.0
    )
    assert Addis(LEVEL).judge(p_values).tolist() == as_published(
        p_values, power_spending, 0.25, 0.5
    )


def test_lord_levels_by_hand():
    procedure = LordPlusPlus(0.05)
    # 0.025 * 0.07720838 * log 2
    assert procedure.next_level == pytest.approx(0.00133792, rel=1e-5)
    procedure.judge([0.5])
    # 0.025 * 0.07720838 * log 2 / (2 exp(sqrt(log 2)))
    assert procedure.next_level == pytest.approx(0.000290955, rel=1e-5)
    procedure.judge([0.0])
    # 0.025 g(3) + 0.025 g(1), with g(3) = 0.07720838 * log 3 / (3 exp(sqrt(log 3)))
    assert procedure.next_level == pytest.approx(0.025 * (0.0099125 + 0.0535168), rel=1e-4)


def test_saffron_pays_nothing_for_candidates_by_hand():
    procedure = Saffron(0.05)
    first = procedure.next_level
    assert first == pytest.approx(0.5 * 0.025 / 2.2857657, rel=1e-6)
    procedure.judge([0.4, 0.3])
    assert procedure.next_level == first
    procedure.judge([0.6])
    assert procedure.next_level == pytest.approx(first * 2**-1.6)


def test_addis_discards_what_is_larger_than_uniform_would_be():
    procedure = Addis(0.05)
    first = procedure.next_level
    procedure.judge([0.9] * 1000)
    assert procedure.next_level == first
    procedure.judge([0.3])
    assert procedure.next_level == pytest.approx(first * 2**-1.6)


@pytest.mark.parametrize("spending", [lord_spending, power_spending])
def test_spending_adds_to_one_at_most(spending):
    ages = np.arange(1.0, 2_000_001)
    total = float(spending(ages).sum())
    assert 0.5 < total <= 1 + 1e-6


@every
def test_false_discoveries_stay_in_the_budget(procedure):
    rng = np.random.default_rng(7)
    shares, power = [], []
    for _ in range(150):
        null = rng.random(600) > 0.2
        p_values = np.where(null, rng.random(600), rng.random(600) * 1e-4)
        found = procedure(0.1).judge(p_values)
        shares.append((found & null).sum() / max(found.sum(), 1))
        power.append(found[~null].mean())
    assert np.mean(shares) <= 0.1 + 3 * np.std(shares) / np.sqrt(len(shares))
    assert np.mean(power) > 0.5


def test_adapting_to_the_share_of_nulls_finds_more():
    rng = np.random.default_rng(8)
    null = rng.random(3000) > 0.5
    p_values = np.where(null, rng.random(3000), rng.random(3000) * 1e-2)
    assert Saffron(LEVEL).judge(p_values).sum() > 1.2 * LordPlusPlus(LEVEL).judge(p_values).sum()


@every
@settings(deadline=None, max_examples=25)
@given(p_values=P_VALUES, cut=st.integers(0, 60))
def test_rounds_and_restoring_change_nothing(procedure, p_values, cut):
    whole, parts = procedure(LEVEL), procedure(LEVEL)
    expected = whole.judge(p_values).tolist()
    first = parts.judge(p_values[:cut]).tolist()
    restored = procedure.restore(parts.snapshot())
    assert restored.next_level == parts.next_level
    assert first + restored.judge(p_values[cut:]).tolist() == expected
    assert restored.snapshot() == whole.snapshot()


@every
def test_long_rounds_are_the_same_as_short_ones(procedure):
    p_values = np.random.default_rng(9).random(1500) ** 4
    whole, parts = procedure(LEVEL), procedure(LEVEL)
    found = whole.judge(p_values)
    assert found.any()
    assert found.tolist() == [bool(parts.judge([p])[0]) for p in p_values]
    assert whole.discoveries == found.sum()


@every
@pytest.mark.parametrize(
    ("bad", "error"),
    [
        ([0.1, 1.1], BadParameterError),
        ([-0.1], BadParameterError),
        ([np.nan], NotFiniteError),
        ([[0.1]], ShapeError),
    ],
)
def test_a_refused_round_leaves_no_trace(procedure, bad, error):
    one = procedure(LEVEL)
    before = one.snapshot()
    with pytest.raises(error):
        one.judge(bad)
    assert one.judge([]).size == 0
    assert one.snapshot() == before


@every
@pytest.mark.parametrize(
    "snapshot", [b"", b"[]", b"{}", b"\xff", json.dumps({"procedure": "other"}).encode()]
)
def test_what_is_no_snapshot_is_refused(procedure, snapshot):
    with pytest.raises(SnapshotError):
        procedure.restore(snapshot)


def test_parameters_out_of_range_are_refused():
    for make in (
        lambda: LordPlusPlus(0.0),
        lambda: LordPlusPlus(0.05, initial=0.06),
        lambda: LordPlusPlus(0.05, initial=0.0),
        lambda: Saffron(0.05, candidate=1.0),
        lambda: Addis(0.05, candidate=0.5, discard=0.5),
    ):
        with pytest.raises(BadParameterError):
            make()
