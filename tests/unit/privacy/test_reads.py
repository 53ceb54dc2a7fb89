"""What each role reads of clients and cohorts, in every place that shows any."""

import json
import re
from typing import Any

import numpy as np
import pytest
from numpy.random import default_rng
from sqlmodel import select

from app.core import clock
from app.core.settings import Settings
from app.federations import service as federations
from app.federations.names import Naming
from app.federations.roles import ALLOWED, Permission, Principal, Role
from app.federations.tables import Federation
from app.rounds.tables import RoundAggregate
from tests.rounds import pseudonym, record
from tests.unit.privacy.place import HOME, Place

HUBS = ["EWR"] * 5 + ["JFK"] * 4 + ["LGA"]  # LGA has one client, and JFK would give it away
CLIENTS = [pseudonym(name) for name in range(len(HUBS))]
PSEUDONYM, DISPLAYED = re.compile("c_[0-9a-f]{32}"), re.compile("d_[0-9a-f]{12}")
P = Permission


@pytest.fixture
def judged(place: Place) -> Place:
    """Fourteen rounds of ten clients in three hubs; from the eleventh, one client moves alone."""
    rng = default_rng(5)
    place.policy(incidents={"scopes": ["federation", "cohort", "client"]})
    for step in range(1, 15):
        late = 200 + rng.normal(0, 8, len(HUBS)) + (300 if step > 10 else 0) * np.eye(len(HUBS))[0]
        records = [
            record(name, 1000, int(late[name]), cohorts={"hub": hub})
            for name, hub in enumerate(HUBS)
        ]
        assert place.push(*records, step=step).status_code == 202
        place.judge()
    return place


def reads(place: Place, role: Role) -> str:
    """All that the API answers a role about rounds, verdicts, incidents and what follows."""
    round_ = place.get("/rounds?limit=1", role)[0]["id"]
    series = "/verdicts?model=late-arrival&subject=log_loss&scope="
    paths = ["/rounds", f"/rounds/{round_}/verdicts", f"{series}federation", f"{series}cohort"]
    paths += [
        "/incidents",
        "/silences",
        "/retrain-requests",
        "/refusals",
        "/privacy",
        "/promotions",
    ]
    if P.READ_CLIENTS in ALLOWED[role]:
        paths.append(f"{series}client")
    if P.READ_AUDIT in ALLOWED[role]:
        paths.append("/audit?limit=1000")
    answers = [place.get(path, role) for path in paths]
    details = [
        place.get(f"/incidents/{one['id']}", role) for one in answers[paths.index("/incidents")]
    ]
    return json.dumps([answers, details])


@pytest.fixture
def told(judged: Place) -> dict[Role, str]:
    incident = next(one for one in judged.get("/incidents") if one["scope"] == "client")
    silence = {
        "matchers": {"scope_key": incident["scope_key"]},
        "ends_at": "2100-01-01T00:00:00Z",
        "comment": "known",
    }
    assert judged.post("/silences", Role.OWNER, silence).status_code == 201
    return {role: reads(judged, role) for role in Role}


def test_who_reads_clients_and_under_which_name(told: dict[Role, str]) -> None:
    for role, text in told.items():
        real, shown = set(PSEUDONYM.findall(text)), set(DISPLAYED.findall(text))
        assert bool(real) == (P.READ_PSEUDONYMS in ALLOWED[role]), role
        assert bool(shown) == (P.READ_CLIENTS in ALLOWED[role] and not real), role
        assert ('"scope": "client"' in text) == (P.READ_CLIENTS in ALLOWED[role]), role


def test_a_hidden_cohort_and_the_one_that_gives_it_away_are_in_no_answer(
    told: dict[Role, str],
) -> None:
    for text in told.values():
        assert "hub=EWR" in text
        assert "hub=JFK" not in text
        assert "hub=LGA" not in text


def test_aggregates_hold_only_what_may_be_shown(judged: Place) -> None:
    with judged.database.read_scope() as session:
        rows = session.exec(select(RoundAggregate)).all()
    assert {row.scope_key for row in rows} == {"", "hub=EWR"}
    for row in rows:
        step = 0.1 * 3 / row.clients
        assert row.examples % 100 == 0
        assert row.loss_sum / row.loss_examples / step == pytest.approx(
            round(row.loss_sum / row.loss_examples / step)
        )


def test_a_subject_that_few_clients_tell_is_left_out_where_it_would_show(place: Place) -> None:
    quiet = {"metrics": {"correct_count": 80}}
    loud = [record(name, cohorts={"hub": "EWR"}) for name in range(4)]
    place.push(*loud, *(record(name, cohorts={"hub": "JFK"}, **quiet) for name in range(4, 8)))
    place.push(*loud, *(record(name, cohorts={"hub": "JFK"}, **(quiet if name > 4 else {}))
                        for name in range(4, 8)), step=2)  # fmt: skip
    place.judge()
    with place.database.read_scope() as session:
        rows = session.exec(select(RoundAggregate)).all()
    told: dict[Any, set[Any]] = {}
    for row in rows:
        told.setdefault(row.round_id, set()).add((row.scope_key, row.loss_clients > 0))
    assert sorted(map(sorted, told.values())) == [
        [("", True), ("hub=EWR", False), ("hub=JFK", False)],  # one of JFK's told it
        [("", True), ("hub=EWR", True), ("hub=JFK", False)],
    ]


@pytest.mark.parametrize("role", [Role.VIEWER, Role.ON_CALL, Role.OWNER])
def test_the_console_shows_each_role_the_same(
    judged: Place, settings: Settings, role: Role
) -> None:
    key = judged.key_of(role)["Authorization"].removeprefix("Bearer ")
    api = judged.api
    api.post("/login", data={"key": key, "after": "/"})
    pages = ["/", "/f/flights"]
    pages += [f"/f/flights/rounds/{one['id']}" for one in judged.get("/rounds?limit=1", role)]
    pages += [f"/f/flights/incidents/{one['id']}" for one in judged.get("/incidents", role)]
    text = "".join(api.get(page).text for page in pages)
    api.cookies.clear()
    assert "hub=EWR" in text
    assert "hub=JFK" not in text
    assert (CLIENTS[0][:8] in text) == (P.READ_PSEUDONYMS in ALLOWED[role])
    sees = P.READ_CLIENTS in ALLOWED[role]
    assert bool(DISPLAYED.search(text)) == (sees and P.READ_PSEUDONYMS not in ALLOWED[role])


def test_an_incident_is_silenced_under_the_name_that_it_is_shown_under(judged: Place) -> None:
    shown = next(one for one in judged.get("/incidents", Role.ON_CALL) if one["scope"] == "client")
    silence = {
        "matchers": {"scope_key": shown["scope_key"]},
        "ends_at": "2100-01-01T00:00:00Z",
        "comment": "known",
    }
    answer = judged.post("/silences", Role.ON_CALL, silence)
    assert answer.json()["matchers"] == silence["matchers"]
    (known,) = judged.get("/silences", Role.OWNER)
    assert known["matchers"] == {"scope_key": CLIENTS[0]}


def test_metrics_name_no_federation_cohort_or_client(judged: Place) -> None:
    text = judged.api.get("/metrics").text
    assert not PSEUDONYM.search(text)
    assert "hub=" not in text
    assert "flights" not in text.replace(HOME, "")


def test_display_names_last_for_a_period_and_differ_between_federations(
    place: Place, federation: Federation
) -> None:
    from datetime import timedelta

    viewer = Principal(federation.id, "Olu", Role.ON_CALL, federation.id)
    owner = Principal(federation.id, "Ada", Role.OWNER, federation.id)
    with place.database.read_scope() as session:
        here = federations.get(session, federation.id)
    now = clock.now()
    names = []
    for days in (0, 0, 365):
        with clock.using(lambda days=days: now + timedelta(days=days)):
            names.append(Naming.for_reader(here, viewer).of(CLIENTS[0]))
    assert names[0] == names[1] != names[2]
    assert Naming.for_reader(here, owner).of(CLIENTS[0]) == CLIENTS[0]
    assert Naming.for_reader(here, viewer).of("hub=EWR") == "hub=EWR"
    here.salt = "11" * 32
    assert Naming.for_reader(here, viewer).of(CLIENTS[0]) != names[0]
