"""Rows from counts, and pools of what rounds said: honest reconstructions, and nothing hidden."""

from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.reports.rows import MOST_ROWS, expand, frame, pairs
from app.reports.summaries import Bins, Distribution, Summary, summarise
from app.rounds.schemas import BinSpecIn
from app.rounds.tables import RoundAggregate

HOURS = Bins(("0 to 6", "6 to 12", "12 to 24"), (0.0, 6.0, 12.0, 24.0), "h")
LABELS = ("on time", "late")
SPEC = BinSpecIn.model_validate(
    {
        "labels": LABELS,
        "score": {"edges": [0, 0.5, 1]},
        "features": {
            "hour": {"kind": "numeric", "edges": [0, 6, 12, 24], "unit": "h"},
            "origin": {"kind": "categorical", "categories": ["EWR", "JFK"]},
        },
    }
)
COUNTS = {
    "label_counts": [14, 6],
    "score_histogram": [12, 8],
    "feature:hour": [2, 4, 14],
    "feature:origin": [20, 0, 0],
    "confusion": [[10, 4], [2, 4]],
}


@given(
    counts=st.lists(st.floats(-5, 1e6), min_size=1, max_size=40).filter(lambda c: max(c) > 1e-3),
    rows=st.integers(1, MOST_ROWS),
)
def test_rows_have_the_shares_of_the_counts(counts: list[float], rows: int) -> None:
    names = tuple(f"{index:02}" for index in range(len(counts)))
    distribution = Distribution(Bins(names), tuple(counts))
    values = expand(distribution, rows).tolist()
    assert len(values) == rows
    for name, share in zip(names, distribution.shares, strict=True):
        assert abs(values.count(name) - share * rows) < 1 + 1e-6


def test_a_small_sample_is_rebuilt_exactly() -> None:
    assert expand(Distribution(HOURS, (1, 0, 2)), 3).tolist() == [3, 18, 18]


def _aggregate(factor: int = 1, **more: Any) -> RoundAggregate:
    told: dict[str, Any] = {
        "round_id": uuid4(),
        "measured": "model",
        "scope": "federation",
        "scope_key": "",
        "clients": 3,
        "examples": 20 * factor,
        "loss_clients": 3,
        "loss_examples": 20 * factor,
        "loss_sum": 10.0 * factor,
        "correct_clients": 3,
        "correct_examples": 20 * factor,
        "correct_count": 16.0 * factor,
        "counts": {
            name: {"clients": 3, "sum": _times(sums, factor)} for name, sums in COUNTS.items()
        },
    }
    return RoundAggregate(**told | more)


def _times(sums: Any, factor: int) -> Any:
    return [_times(one, factor) if isinstance(one, list) else factor * one for one in sums]


def _pool(*parts: RoundAggregate) -> Summary:
    return summarise("rounds", parts, SPEC)


def test_pools_add_counts_and_weigh_rates_by_examples() -> None:
    pooled = _pool(_aggregate(), _aggregate(3, loss_sum=60.0, clients=5))
    assert (pooled.n, pooled.clients, pooled.rounds) == (80, 5, 2)
    assert pooled.log_loss == pytest.approx(70 / 80)
    assert pooled.error_rate == pytest.approx(0.2)
    assert pooled.distributions["label"] == Distribution(Bins(LABELS), (56, 24))
    assert pooled.distributions["feature:hour"].bins.width == 12
    assert pooled.distributions["feature:origin"].bins.names == ("EWR", "JFK", "other")
    assert pooled.confusion == ((40, 16), (8, 16))


def test_what_may_not_be_shown_in_a_round_is_not_there() -> None:
    hidden = _aggregate(loss_clients=0, loss_examples=0, loss_sum=0.0, counts={})
    assert _pool(hidden).log_loss is None
    assert _pool(hidden).distributions == {}
    assert _pool(hidden).confusion is None
    both = _pool(hidden, _aggregate())
    assert both.log_loss == pytest.approx(0.5)
    assert both.distributions["feature:hour"].counts == (2, 4, 14)


def test_nothing_is_left_of_counts_that_noise_made_negative() -> None:
    noisy = _aggregate(counts={"label_counts": {"clients": 3, "sum": [-2, -1]}})
    assert "label" not in _pool(noisy).distributions


def test_without_bins_there_are_rates_alone() -> None:
    bare = summarise("rounds", [_aggregate()], None)
    assert bare.distributions == {}
    assert bare.error_rate == pytest.approx(0.2)


def test_a_frame_has_as_many_rows_as_examples_up_to_the_cap() -> None:
    pooled = _pool(_aggregate(1000))
    assert len(frame(pooled, list(pooled.distributions))) == MOST_ROWS
    assert len(frame(replace(pooled, n=12), ["label"])) == 12


def test_a_confusion_matrix_is_rebuilt_row_by_row() -> None:
    found = pairs(_pool(_aggregate()), LABELS, "truth", "called")
    assert found is not None
    counted = found.value_counts().to_dict()
    assert counted == {
        ("on time", "on time"): 10,
        ("on time", "late"): 4,
        ("late", "on time"): 2,
        ("late", "late"): 4,
    }


def test_a_label_that_never_came_true_has_no_rows_to_judge() -> None:
    never = _aggregate(counts={"confusion": {"clients": 3, "sum": [[10, 4], [0, 0]]}})
    assert pairs(_pool(never), LABELS, "truth", "called") is None
    assert pairs(_pool(_aggregate()), (*LABELS, "cancelled"), "truth", "called") is None
    assert pairs(_pool(_aggregate(counts={})), LABELS, "truth", "called") is None
