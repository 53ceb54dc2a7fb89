"""Cohort sums in place of client records: the same verdicts, but on what only clients can tell."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from numpy.random import default_rng

from tests.rounds import pseudonym, record
from tests.unit.privacy.place import Place

HUBS = {"EWR": range(4), "JFK": range(4, 8), "LGA": range(8, 12)}
SECURE = {"secure_aggregation": True, "cohort_size": 4}
Records = list[dict[str, Any]]


def weeks(drifting: frozenset[str]) -> Iterator[Records]:
    """Ten calm rounds of twelve clients of unequal size, then four in which some hubs drift."""
    rng = default_rng(7)
    for step in range(14):
        weather = rng.normal(0, 0.01)
        yield [
            record(name, n, int(n * (0.2 + weather + (0.2 if step > 9 and hub in drifting else 0))),
                   cohorts={"hub": hub})
            for hub, names in HUBS.items()
            for name in names
            for n in [400 + 50 * name]
        ]  # fmt: skip


def summed(records: Records) -> Records:
    """What secure aggregation lets out: one record a hub, of sums."""
    return [
        {
            "client": pseudonym(hub),
            "cohorts": {"hub": hub},
            **_sum([one for one in records if one["cohorts"]["hub"] == hub]),
        }
        for hub in HUBS
    ]


def _sum(values: list[Any]) -> Any:
    if isinstance(values[0], dict):
        names = [name for name in values[0] if name not in {"client", "cohorts", "status"}]
        return {name: _sum([value[name] for value in values]) for name in names}
    return np.sum(values, axis=0).tolist()


def push_all(place: Place, *, secure: bool, drifting: frozenset[str] = frozenset()) -> None:
    for step, records in enumerate(weeks(drifting), start=1):
        pushed = summed(records) if secure else records
        envelope = {"privacy": SECURE} if secure else {}
        assert place.push(*pushed, step=step, **envelope).status_code == 202
        place.judge()


def newest(place: Place) -> list[dict[str, Any]]:
    round_ = place.get("/rounds?limit=1")[0]
    found: list[dict[str, Any]] = place.get(f"/rounds/{round_['id']}/verdicts")
    return found


def told(verdicts: list[dict[str, Any]]) -> dict[tuple[str, ...], tuple[str, float | None]]:
    return {
        (one["scope"], one["scope_key"], one["subject"], one["detector"]): (
            one["outcome"],
            None if one["effect"] is None else round(one["effect"], 3),
        )
        for one in verdicts
        if one["scope"] != "client"
    }


@pytest.mark.parametrize("drifting", [frozenset(), frozenset(HUBS), frozenset({"JFK"})])
def test_the_federation_and_its_cohorts_get_the_same_verdicts(
    place: Place, other: Place, drifting: frozenset[str]
) -> None:
    push_all(place, secure=False, drifting=drifting)
    push_all(other, secure=True, drifting=drifting)
    plain, secure = told(newest(place)), told(newest(other))
    assert plain.keys() == secure.keys()
    assert {scope for scope, *_ in secure} == {"federation", "cohort"}
    assert {key: outcome for key, (outcome, _) in plain.items()} == {
        key: outcome for key, (outcome, _) in secure.items()
    }
    assert ("drift" in {outcome for outcome, _ in secure.values()}) == bool(drifting)
    for key, (_, effect) in plain.items():
        assert secure[key][1] == pytest.approx(effect, abs=0.02), key


def test_what_only_clients_can_tell_is_insufficient_evidence_with_the_reason(place: Place) -> None:
    push_all(place, secure=True, drifting=frozenset(HUBS))
    of_clients = [one for one in newest(place) if one["scope"] == "client"]
    assert of_clients
    for verdict in of_clients:
        assert verdict["outcome"] == "insufficient_evidence"
        assert "secure aggregation" in verdict["explanation"]["missing"]
        assert verdict["effect"] is verdict["p_value"] is verdict["statistic"] is None


def test_sums_over_fewer_clients_than_the_minimum_are_refused(place: Place) -> None:
    answer = place.push(record(), privacy={"secure_aggregation": True, "cohort_size": 2})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["code"] == "cohort_too_small"
