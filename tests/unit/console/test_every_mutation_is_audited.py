"""Every route that changes something leaves a row in the audit log: no route is undecided.

The story below calls each of them once, well, in one federation; a route that is in neither the
story nor the short list of those that change nothing fails.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from fastapi.routing import APIRoute
from fastapi.testclient import TestClient
from sqlmodel import func, select

from app.audit.tables import AuditEntry
from app.core import clock
from app.core.database import Database
from app.core.settings import Settings
from app.federations import service as federations
from app.federations.policy import Policy
from app.federations.roles import Role
from app.main import create_app
from tests.rounds import BIN_SPEC, body, pseudonym, record
from tests.routes import api_routes, every_route
from tests.unit.console.world import HOME, MODEL, World
from tests.unit.test_authorisation import MUTATING
from tests.working import work

# Each takes a history of its own, so that a test there looks for its row.
ELSEWHERE = {
    "registry/test_weights": {"PUT HERE/models/{model}/versions/{version}/weights"},
    "registry/test_deviation_routes": {"POST HERE/models/{model}/repair"},
    "registry/test_inventory": {
        "PUT HERE/inventory/models/{model}",
        "POST HERE/inventory/models/{model}/reviews",
    },
    "incidents/test_accepting": {"POST HERE/incidents/{incident_id}/accept"},
    "incidents/test_proposals": {
        "POST HERE/policy/proposals",
        "POST HERE/policy/proposals/{proposal_id}/accept",
        "POST HERE/policy/proposals/{proposal_id}/dismiss",
    },
    "retraining/test_deciding": {
        "POST HERE/retrain-requests/{request_id}/approve",
        "POST HERE/retrain-requests/{request_id}/roll-back",
    },
    "reports/test_asking": {
        "POST HERE/rounds/{round_id}/report",
        "POST HERE/incidents/{incident_id}/report",
        "POST HERE/models/{model}/versions/{version}/report",
        "POST HERE/promotions/{promotion_id}/report",
    },
    "retraining/test_outcomes": {"POST HERE/retrain-requests/{request_id}/allow-again"},
}
CHANGE_NOTHING = {"POST /v1/federations/{federation}/policy/check"}
WHY = {"reason": "because"}
FEDERATION = "/v1/federations/{federation}"


@dataclass
class Story:
    """Calls routes, and looks at the audit log before and after."""

    api: TestClient
    database: Database
    keys: dict[str, str]
    told: set[str] = field(default_factory=set)
    silent: list[str] = field(default_factory=list)

    def tell(self, who: str, route: str, content: Any = None, **names: str) -> dict[str, Any]:
        method, path = route.split()
        path = path.replace("HERE", FEDERATION)
        before = self._entries()
        answer = self.api.request(
            method,
            path.format(**{"federation": "flights"} | names),
            json=content,
            headers={"Authorization": f"Bearer {self.keys[who]}"},
        )
        assert answer.is_success, f"{route}: {answer.text}"
        if self._entries() == before:
            self.silent.append(route)
        self.told.add(f"{method} {path}")
        return answer.json() if answer.content else {}

    def _entries(self) -> int:
        with self.database.read_scope() as session:
            return session.exec(select(func.count()).select_from(AuditEntry)).one()


@pytest.fixture
def story(settings: Settings, database: Database, world: World) -> Story:
    with database.session_scope() as session:
        admin = federations.bootstrap_admin(session, settings.secret_key)
    keys = {role.value: key for role, key in world.keys.items()}
    app = create_app(settings)
    app.state.database = database
    return Story(TestClient(app), database, keys | {"all": str(admin)})


def test_every_route_that_changes_something_is_audited(story: Story, world: World) -> None:
    of_federations_and_people(story)
    of_rounds(story)
    of_incidents(story, world)
    of_receivers(story)
    of_promotions(story, world)
    of_retraining(story)
    story.tell("owner", "POST HERE/withdrawals", {"clients": [pseudonym(0)]})
    assert story.silent == []
    routes = api_routes(story.api.app.routes)  # type: ignore[attr-defined]
    changing = {route for route in routes if route.split()[0] in MUTATING}
    elsewhere = {
        route.replace("HERE", FEDERATION) for found in ELSEWHERE.values() for route in found
    }
    assert changing - CHANGE_NOTHING - elsewhere == story.told
    assert elsewhere <= changing


def test_the_console_changes_nothing_but_by_forms_that_are_known(story: Story) -> None:
    forms = {
        f"{method} {route.path}"
        for route in _console_routes(story)
        for method in route.methods
        if method in MUTATING
    }
    shown = {re.sub(r"\{\w+\}", "{}", form) for form in forms}
    assert {form for form in shown if "/f/" not in form} == {
        "POST /login",
        "POST /logout",
        "POST /password/{}",
        "POST /account/password",
        "POST /account/sessions/{}/end",
        "POST /account/sign-out-everywhere",
    }


def _console_routes(story: Story) -> Iterator[APIRoute]:
    for route in every_route(story.api.app.routes):  # type: ignore[attr-defined]
        if not route.include_in_schema or "/v1" not in route.path:
            yield route


def of_federations_and_people(story: Story) -> None:
    story.tell("all", "POST /v1/federations", {"name": "buses", "title": "Buses"})
    story.tell("owner", "PUT HERE/policy", Policy().model_dump(mode="json"))
    key = story.tell("admin", "POST HERE/keys", {"holder": "Bo", "role": "viewer"})
    story.tell("admin", "DELETE HERE/keys/{key_id}", key_id=key["id"])
    story.tell("all", "POST /v1/people", {"login": "grace", "name": "Grace"})
    for verb in ("password-link", "disable", "enable", "sign-out"):
        story.tell("all", f"POST /v1/people/{{login}}/{verb}", login="grace")
    story.tell("all", "PUT /v1/roles/{login}", {"role": "auditor"}, login="grace")
    story.tell("all", "DELETE /v1/roles/{login}", login="grace")
    story.tell("admin", "PUT HERE/people/{login}", {"role": "viewer"}, login="grace")
    story.tell("admin", "DELETE HERE/people/{login}", login="grace")


def of_rounds(story: Story) -> None:
    spec = story.tell("ingest", "POST HERE/bin-specs", BIN_SPEC | {"labels": ["no", "yes"]})["id"]
    place = "POST HERE/runs/{run}/rounds/{number}/{phase}"
    names = {"run": "later", "number": "40", "phase": "evaluate"}
    push = body(*[record(n) for n in range(4)], step=40, spec=spec)
    story.tell("ingest", place, push, **names)
    story.tell("ingest", f"{place}/close", {"chunks": 2}, **names | {"number": "41"})
    frozen = {"model": MODEL, "version": "1", "rounds": _judged(story)}
    story.tell("owner", "POST HERE/references", frozen)


def _judged(story: Story) -> list[str]:
    headers = {"Authorization": f"Bearer {story.keys[Role.OWNER.value]}"}
    rows = story.api.get(f"{HOME}/rounds", headers=headers).json()
    return [row["id"] for row in rows if row["phase"] == "evaluate" and row["global_step"] <= 10]


def of_incidents(story: Story, world: World) -> None:
    names = {"incident_id": str(world.incident_id)}
    story.tell("on_call", "POST HERE/incidents/{incident_id}/acknowledge", **names)
    closed = {"resolution": "data_fault", "why": "a fault"}
    story.tell("on_call", "POST HERE/incidents/{incident_id}/resolve", closed, **names)
    until = clock.now().replace(year=clock.now().year + 1).isoformat()
    silence = {"matchers": {"model": MODEL}, "ends_at": until, "comment": "known"}
    made = story.tell("on_call", "POST HERE/silences", silence)
    story.tell("on_call", "DELETE HERE/silences/{silence_id}", silence_id=made["id"])
    story.tell("on_call", "POST HERE/drills", {"severity": "critical"})


def of_receivers(story: Story) -> None:
    channel = {"name": "on-call", "url": "json://127.0.0.1:9/hook"}
    story.tell("owner", "POST HERE/channels", channel)
    story.tell("owner", "DELETE HERE/channels/{name}", name="on-call")
    hook = {"name": "fl", "url": "https://example.org/hook", "events": ["retraining.requested"]}
    story.tell("owner", "POST HERE/webhooks", hook)
    story.tell("owner", "POST HERE/webhooks/{name}/rotate", {}, name="fl")
    story.tell("owner", "POST HERE/webhooks/{name}/disable", {"why": "it moves"}, name="fl")
    for verb in ("enable", "test"):
        story.tell("owner", f"POST HERE/webhooks/{{name}}/{verb}", name="fl")
    story.tell("owner", "DELETE HERE/webhooks/{name}", name="fl")
    story.tell("owner", "PUT HERE/alert-plan", {"digest_severities": ["info"], "digest_hour": 7})


def of_promotions(story: Story, world: World) -> None:
    place = "POST HERE/promotions/{promotion_id}"
    story.tell("owner", "POST HERE/models", {"name": "eta"})
    story.tell("validator", f"{place}/reject", WHY, promotion_id=str(world.promotion_id))
    draft = {"model": MODEL, "candidate": "2", "why": "better"}
    drafted = {"promotion_id": story.tell("owner", "POST HERE/promotions", draft)["id"]}
    seen = story.tell("owner", f"{place}/submit", **drafted)["evidence_sha256"]
    story.tell("analyst", f"{place}/comments", {"text": "well?"}, **drafted)
    story.tell("validator", f"{place}/approve", WHY | {"evidence_sha256": seen}, **drafted)
    work(story.database, "registry.apply_promotion")
    story.tell("validator", f"{place}/roll-back", WHY, **drafted)
    version = {"run": "autumn", "weights_sha256": "3" * 64}
    story.tell("ingest", "POST HERE/models/{model}/versions", version, model=MODEL)


def of_retraining(story: Story) -> None:
    place = "POST HERE/retrain-requests"
    _end_what_is_open(story)
    ask, claim = {"model": MODEL, **WHY}, {"model": MODEL, "claimer": "fl-1"}
    done = {"claimer": "fl-1", "run": "again", "weights_sha256": "4" * 64, "rounds": 2}
    going = {"claimer": "fl-1", "completed_rounds": 1, "total_rounds": 2}
    for ends in (
        (("progress", going), ("complete", done)),
        (("fail", {"claimer": "fl-1", **WHY}),),
    ):
        asked = story.tell("owner", place, ask)["id"]
        story.tell("ingest", f"{place}/claim", claim)
        for verb, content in ends:
            story.tell("ingest", f"{place}/{{request_id}}/{verb}", content, request_id=asked)
    asked = story.tell("owner", place, ask)["id"]
    story.tell("owner", f"{place}/{{request_id}}/cancel", WHY, request_id=asked)


def _end_what_is_open(story: Story) -> None:
    headers = {"Authorization": f"Bearer {story.keys[Role.OWNER.value]}"}
    for row in story.api.get(f"{HOME}/retrain-requests", headers=headers).json():
        if row["state"] == "requested":
            path = "POST HERE/retrain-requests/{request_id}/cancel"
            story.tell("owner", path, WHY, request_id=row["id"])
