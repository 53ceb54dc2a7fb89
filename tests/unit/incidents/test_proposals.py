"""What false alarms speak for is proposed with its backtest, and put in force by a person alone."""

from collections.abc import Callable
from typing import Any

import pytest
from fastapi.testclient import TestClient
from numpy.random import default_rng

from app.core.database import Database
from app.core.settings import Settings
from app.federations import service as federations
from app.federations.roles import Role
from app.federations.tables import Federation
from tests.audited import actions
from tests.rounds import BIN_SPEC, body, record
from tests.working import judge, work

HOME = "/v1/federations/flights"
PROPOSING = ("incidents.propose", "incidents.backtest_proposal")
LEFT_OUT = ("error_rate", "calibration", "score", "prediction", "feature")
QUIET = {
    "retraining": {"automatic": False},
    "incidents": {"hold_off_rounds": 0, "quiet_rounds": 1},
    "drift": {"subjects": {name: {"judged": False} for name in LEFT_OUT}},
}
WHY = {"why": "nobody acts on less"}


@pytest.fixture
def owner(
    api: TestClient,
    database: Database,
    settings: Settings,
    key_of: Callable[..., dict[str, str]],
    monkeypatch: pytest.MonkeyPatch,
) -> dict[str, str]:
    """The owner of a federation with three false alarms of a few late flights more."""
    monkeypatch.setenv("VIGIE_DATA_DIR", str(settings.data_dir))  # for a process of its own
    headers, fl_server = key_of(Role.OWNER, "Ada"), key_of(Role.INGEST)
    api.put(f"{HOME}/policy", json=QUIET, headers=headers)
    spec = api.post(f"{HOME}/bin-specs", json=BIN_SPEC, headers=fl_server).json()["id"]
    rng = default_rng(2013)
    for step in range(1, 22):
        rate = 0.2 if step < 10 or step % 4 in (0, 1) else 0.3
        clients = [record(name, 2000, int(2000 * rate + rng.normal(0, 4))) for name in range(4)]
        sent = body(*clients, step=step, spec=spec)
        api.post(f"{HOME}/runs/serve/rounds/{step}/evaluate", json=sent, headers=fl_server)
        judge(database)
        for one in api.get(f"{HOME}/incidents", headers=headers).json():
            if one["state"] != "resolved":
                told = {"resolution": "false_alarm", "why": "a holiday"}
                api.post(f"{HOME}/incidents/{one['id']}/resolve", json=told, headers=headers)
    return headers


def test_it_is_proposed_with_its_backtest_and_put_in_force_by_a_person(
    api: TestClient, database: Database, federation: Federation, owner: dict[str, str]
) -> None:
    for task in PROPOSING:
        work(database, task)
    found = api.get(f"{HOME}/policy/proposals?state=proposed", headers=owner).json()
    late = next(one for one in found if one["subject"] == "label:late")
    assert (late["field"], late["before"]) == ("drift.subjects.label:late.effect", 0.05)
    assert late["false_alarms_spared"] >= 3
    assert late["incidents_missed"] == 0
    assert late["backtest"]["rounds"] == 21
    assert sum(late["backtest"]["counts"].values()) > 0
    with database.read_scope() as session:
        here = federations.get(session, federation.id)
        assert here.policy_version == 2, "nothing is in force by itself"
    path = f"{HOME}/policy/proposals/{late['id']}"
    done = api.post(f"{path}/accept", json=WHY, headers=owner).json()
    assert (done["state"], done["decided_by"]) == ("accepted", "Ada")
    newest = api.get(f"{HOME}/policy/versions/3", headers=owner).json()
    assert (newest["set_by"], newest["why"]) == ("Ada", WHY["why"])
    assert newest["policy"]["drift"]["subjects"]["label:late"]["effect"] == late["after"]
    twice = api.post(f"{path}/accept", json=WHY, headers=owner)
    assert (twice.status_code, twice.json()["type"]) == (
        409,
        "urn:vigie:problem:illegal_transition",
    )
    # The others were tried on the policy of before.
    other = next(one for one in found if one["id"] != late["id"])
    stale = api.post(f"{HOME}/policy/proposals/{other['id']}/accept", json=WHY, headers=owner)
    assert (stale.status_code, stale.json()["type"]) == (409, "urn:vigie:problem:policy_changed")
    again = api.post(f"{HOME}/policy/proposals", headers=owner).json()
    assert {one["policy_version"] for one in again} == {3}
    assert {one["backtest"] for one in again} == {None}
    pending = api.post(f"{HOME}/policy/proposals/{again[0]['id']}/accept", json=WHY, headers=owner)
    assert pending.json()["type"] == "urn:vigie:problem:backtest_pending"
    dismissed = f"{HOME}/policy/proposals/{again[0]['id']}/dismiss"
    assert api.post(dismissed, json=WHY, headers=owner).json()["state"] == "dismissed"
    with database.read_scope() as session:
        told = {"proposal.propose", "proposal.accept", "proposal.dismiss"}
        assert told <= set(actions(session))
    left = api.post(f"{HOME}/policy/proposals", headers=owner).json()
    assert again[0]["field"] not in {one["field"] for one in left}


def test_figures_say_how_incidents_were_handled(
    api: TestClient, key_of: Callable[..., dict[str, str]], owner: dict[str, str]
) -> None:
    found: dict[str, Any] = api.get(
        f"{HOME}/incident-figures?weeks=2", headers=key_of(Role.VIEWER)
    ).json()
    assert found["opened"] == len(api.get(f"{HOME}/incidents", headers=owner).json())
    assert found["alerts_per_week"] == found["opened"] / 2
    assert found["false_alarm_share"] == 1.0
    assert found["mean_minutes_to_acknowledge"] is None
    assert found["mean_minutes_to_resolve"] >= 0
