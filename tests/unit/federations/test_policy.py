"""A policy that nobody could act on is refused."""

from collections.abc import Callable
from typing import Any

import pytest
from fastapi.testclient import TestClient

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


@pytest.mark.parametrize("name", ["%00", "a%20b", "%F0%9F%92%A1", "x" * 5000])
def test_a_name_that_no_federation_can_have_is_refused(
    api: TestClient, key_of: Callable[..., dict[str, str]], name: str
) -> None:
    url: Any = f"/v1/federations/{name}"
    assert api.get(url, headers=key_of(Role.VIEWER)).status_code == 422
    assert api.get(url).status_code == 401
