"""The sum: what is saved, what it costs, and how sure that is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.federations.policy.retraining import BenefitPolicy
from app.retraining.measuring import ErrorLevel
from app.retraining.worth import Cost, Gain, expected_share, sentence, worth

COST = Cost(client_seconds=3.1 * 3600, bytes=220e6, watt_hours=None, measured_rounds=5)
FREE = Cost(None, None, None, 0)
NOW, WAS = (
    ErrorLevel("error_rate", 0.24, 0.002, 40_000),
    ErrorLevel("error_rate", 0.2, 0.002, 9_000),
)
gains = st.lists(st.builds(Gain, st.floats(-1, 1.5), st.floats(0.01, 0.5)), max_size=8)


def test_before_any_retraining_half_of_the_excess_is_saved() -> None:
    found = worth(NOW, WAS, expected_share([]), 41_000, COST, BenefitPolicy())
    assert found.saved == pytest.approx(0.02)
    assert found.saved_a_week == pytest.approx(820)
    assert found.low < 0.01
    assert found.high > 0.03
    assert found.cost_in_errors == pytest.approx(31 + 2.2)
    assert sentence(found) == (
        "Saves about 0.02 error x 41,000 examples a week = 820 errors (likely 28 to 1,600; no"
        " retraining measured yet); costs 3.1 client-hours, 220 MB. Over 4 weeks it pays with"
        " probability 0.95."
    )


def test_retrainings_that_helped_little_make_it_worth_little() -> None:
    modest = expected_share([Gain(0.05, 0.02)] * 6)
    found = worth(NOW, WAS, modest, 41_000, COST, BenefitPolicy())
    assert found.saved < 0.005
    assert "6 measured retrainings" in sentence(found)


@given(gains)
def test_what_was_seen_narrows_and_never_overshoots(seen: list[Gain]) -> None:
    share = expected_share(seen)
    known = [0.5, *(gain.share for gain in seen)]
    assert min(known) - 1e-9 <= share.mean <= max(known) + 1e-9
    assert share.sd <= expected_share(seen[:-1]).sd + 1e-12
    assert share.seen == len(seen)


@given(gains)
def test_the_order_of_the_past_does_not_matter(seen: list[Gain]) -> None:
    one, other = expected_share(seen), expected_share(seen[::-1])
    assert (one.mean, one.sd) == (pytest.approx(other.mean), pytest.approx(other.sd))


def test_without_excess_nothing_is_saved_and_nothing_pays() -> None:
    found = worth(WAS, WAS, expected_share([]), 41_000, COST, BenefitPolicy())
    assert (found.saved, found.excess) == (0, 0)
    assert found.probability < 0.5


def test_what_costs_more_pays_less() -> None:
    dear = BenefitPolicy(errors_per_client_hour=1_000)
    cheap, costly = (
        worth(NOW, WAS, expected_share([]), 41_000, COST, policy)
        for policy in (BenefitPolicy(), dear)
    )
    assert cheap.probability > costly.probability


def test_an_unknown_cost_is_said_to_be_unknown() -> None:
    found = worth(NOW, WAS, expected_share([]), 41_000, FREE, BenefitPolicy())
    assert "costs nobody knows what" in sentence(found)
