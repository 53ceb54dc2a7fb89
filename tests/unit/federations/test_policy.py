"""A policy that nobody could act on is refused."""

from collections.abc import Callable
from typing import Any

import pytest
from fastapi.testclient import TestClient
from pydantic import ValidationError

from app.federations.policy import IncidentPolicy, Policy, ReferenceWindow
from app.federations.roles import Role

POLICY = "/v1/federations/flights/policy"


@pytest.mark.parametrize(
    "part",
    [
        '{"retraining": {"expire_hours": Infinity}}',
        '{"retraining": {"expire_hours": 1e300}}',
        '{"retraining": {"cooldown_rounds": 1000000000000000000000}}',
        '{"incidents": {"window": 1000000000000000000000}}',
        '{"incidents": {"critical_ratio": Infinity}}',
        '{"canary": {"non_inferiority_margin": Infinity}}',
        '{"drift": {"energy_effect": NaN}}',
    ],
)
def test_numbers_that_overflow_or_are_none_are_refused(
    api: TestClient, key_of: Callable[..., dict[str, str]], part: str
) -> None:
    headers = {**key_of(Role.OWNER), "Content-Type": "application/json"}
    answer = api.put(POLICY, content=part, headers=headers)
    assert answer.status_code == 422
    assert answer.json()["errors"]
    assert api.get(POLICY, headers=headers).json()["version"] == 1


@pytest.mark.parametrize(
    ("reference", "oldest", "newest"),
    [
        ({"kind": "trailing"}, 14, 3),  # drift.latest_rounds are left out
        ({"kind": "trailing", "trailing_rounds": 5, "trailing_gap": 10}, 14, 10),
        ({"kind": "seasonal", "season_rounds": 6}, 10, 3),
        ({"kind": "seasonal", "season_rounds": 52, "rounds": 5}, 54, 50),
    ],
)
def test_a_reference_that_moves_along_holds_no_round_under_test(
    reference: dict[str, Any], oldest: int, newest: int
) -> None:
    policy = Policy.model_validate({"reference": reference})
    window = policy.reference.window(policy.drift.latest_rounds)
    assert window == ReferenceWindow(oldest, newest)
    assert Policy().reference.window(3) is None


@pytest.mark.parametrize(
    ("document", "field", "code"),
    [
        (
            {"reference": {"kind": "trailing", "trailing_gap": 2}},
            "reference.trailing_gap",
            "reference_overlaps",
        ),
        (
            {
                "reference": {"kind": "trailing", "trailing_gap": 3},
                "drift": {"latest_rounds": 5},
            },
            "reference.trailing_gap",
            "reference_overlaps",
        ),
        (
            {"reference": {"kind": "seasonal", "season_rounds": 5}},
            "reference.season_rounds",
            "reference_overlaps",
        ),
        ({"reference": {"kind": "seasonal"}}, "reference.season_rounds", "missing"),
        ({"reference": {"kind": "pinned"}}, "reference.kind", "literal_error"),
        ({"reference": {"rounds": 0}}, "reference.rounds", "greater_than_equal"),
        ({"incidents": {"least_severity": {"m": "fatal"}}}, None, "literal_error"),
    ],
)
def test_a_reference_that_would_hold_them_or_nothing_is_refused(
    document: dict[str, Any], field: str | None, code: str
) -> None:
    with pytest.raises(ValidationError) as refused:
        Policy.model_validate(document)
    (error,) = refused.value.errors()
    assert error["type"] == code
    assert field in (None, ".".join(map(str, error["loc"])))


def test_a_models_incidents_are_at_least_as_severe_as_said() -> None:
    policy = IncidentPolicy(least_severity={"mortality": "critical", "ads": "info"})
    assert policy.at_least("mortality", "warning") == "critical"
    assert policy.at_least("ads", "warning") == "warning"
    assert policy.at_least("another", "info") == "info"


@pytest.mark.parametrize("name", ["%00", "a%20b", "%F0%9F%92%A1", "x" * 5000])
def test_a_name_that_no_federation_can_have_is_refused(
    api: TestClient, key_of: Callable[..., dict[str, str]], name: str
) -> None:
    url: Any = f"/v1/federations/{name}"
    assert api.get(url, headers=key_of(Role.VIEWER)).status_code == 422
    assert api.get(url).status_code == 401
