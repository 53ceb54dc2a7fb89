"""Every route of the API x role x tenant x state of the key: no cell is undecided.

The table says what each route asks for; a route that is not in it fails, so that nobody adds one
without deciding who may call it. The console's pages have their own table, in `console/`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any

import pytest
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from httpx import Response

from app.console import cookies
from app.core import clock
from app.core.database import Database
from app.core.settings import Settings
from app.federations import service as federations
from app.federations.dependencies import in_federation, in_installation
from app.federations.roles import ALLOWED, Permission, Role
from app.federations.schemas import FederationIn, KeyIn
from app.federations.tables import Federation
from app.main import create_app
from app.people import sessions
from app.people.sessions import Lifetimes
from tests.calling import Caller
from tests.routes import api_routes

OURS, THEIRS, NOBODYS = "flights", "trains", "ships"
OF_ALL, ONE = "/v1/federations", "/v1/federations/{federation}"
MUTATING = {"POST", "PUT", "PATCH", "DELETE"}
UNAUTHORISED = {"/healthz", "/readyz", "/metrics"}  # reads of the installation, none of a tenant

P = Permission
TABLE: dict[str, Permission | None] = {  # None: any key that opens something
    f"POST {OF_ALL}": P.MANAGE_FEDERATIONS,
    f"GET {OF_ALL}": None,
    "POST /v1/people": P.MANAGE_PEOPLE,
    "GET /v1/people": P.MANAGE_PEOPLE,
    "POST /v1/people/{login}/password-link": P.MANAGE_PEOPLE,
    "POST /v1/people/{login}/disable": P.MANAGE_PEOPLE,
    "POST /v1/people/{login}/enable": P.MANAGE_PEOPLE,
    "POST /v1/people/{login}/sign-out": P.MANAGE_PEOPLE,
    "GET /v1/roles": P.MANAGE_PEOPLE,
    "PUT /v1/roles/{login}": P.MANAGE_PEOPLE,
    "DELETE /v1/roles/{login}": P.MANAGE_PEOPLE,
    f"GET {ONE}/people": P.MANAGE_PEOPLE,
    f"PUT {ONE}/people/{{login}}": P.MANAGE_PEOPLE,
    f"DELETE {ONE}/people/{{login}}": P.MANAGE_PEOPLE,
    f"GET {ONE}": P.READ,
    f"GET {ONE}/policy": P.READ,
    f"PUT {ONE}/policy": P.SET_POLICY,
    f"POST {ONE}/policy/check": P.READ,
    f"GET {ONE}/policy/versions": P.READ,
    f"GET {ONE}/policy/versions/{{version}}": P.READ,
    f"POST {ONE}/keys": P.MANAGE_KEYS,
    f"GET {ONE}/keys": P.MANAGE_KEYS,
    f"DELETE {ONE}/keys/{{key_id}}": P.MANAGE_KEYS,
    f"POST {ONE}/runs/{{run}}/rounds/{{number}}/{{phase}}": P.PUSH_ROUNDS,
    f"POST {ONE}/runs/{{run}}/rounds/{{number}}/{{phase}}/close": P.PUSH_ROUNDS,
    f"GET {ONE}/rounds": P.READ,
    f"GET {ONE}/rounds/{{round_id}}": P.READ,
    f"GET {ONE}/rounds/{{round_id}}/records": P.READ_CLIENTS,
    f"GET {ONE}/refusals": P.READ,
    f"GET {ONE}/privacy": P.READ,
    f"POST {ONE}/bin-specs": P.PUSH_ROUNDS,
    f"GET {ONE}/bin-specs/{{spec_id}}": P.READ,
    f"GET {ONE}/rounds/{{round_id}}/evaluation": P.READ,
    f"GET {ONE}/rounds/{{round_id}}/progress": P.READ,
    f"GET {ONE}/rounds/{{round_id}}/progress/events": P.READ,
    f"GET {ONE}/rounds/{{round_id}}/explanation": P.READ,
    f"GET {ONE}/rounds/{{round_id}}/verdicts": P.READ,
    f"GET {ONE}/rounds/{{round_id}}/report": P.READ,
    f"POST {ONE}/rounds/{{round_id}}/report": P.READ,
    f"POST {ONE}/incidents/{{incident_id}}/report": P.READ,
    f"POST {ONE}/models/{{model}}/versions/{{version}}/report": P.READ,
    f"POST {ONE}/promotions/{{promotion_id}}/report": P.READ,
    f"GET {ONE}/reports": P.READ,
    f"GET {ONE}/reports/{{report_id}}": P.READ,
    f"GET {ONE}/reports/{{report_id}}.html": P.READ,
    f"GET {ONE}/reports/{{report_id}}.json": P.READ,
    f"GET {ONE}/verdicts": P.READ,
    f"POST {ONE}/references": P.FREEZE_REFERENCES,
    f"POST {ONE}/incidents/{{incident_id}}/accept": P.FREEZE_REFERENCES,
    f"GET {ONE}/references": P.READ,
    f"GET {ONE}/incidents": P.READ,
    f"GET {ONE}/incidents/{{incident_id}}": P.READ,
    f"POST {ONE}/incidents/{{incident_id}}/acknowledge": P.HANDLE_INCIDENTS,
    f"POST {ONE}/incidents/{{incident_id}}/resolve": P.HANDLE_INCIDENTS,
    f"POST {ONE}/silences": P.HANDLE_INCIDENTS,
    f"GET {ONE}/silences": P.READ,
    f"DELETE {ONE}/silences/{{silence_id}}": P.HANDLE_INCIDENTS,
    f"GET {ONE}/feedback": P.READ,
    f"GET {ONE}/incident-figures": P.READ,
    f"GET {ONE}/policy/proposals": P.READ,
    f"POST {ONE}/policy/proposals": P.SET_POLICY,
    f"POST {ONE}/policy/proposals/{{proposal_id}}/accept": P.SET_POLICY,
    f"POST {ONE}/policy/proposals/{{proposal_id}}/dismiss": P.SET_POLICY,
    f"POST {ONE}/withdrawals": P.WITHDRAW_CLIENTS,
    f"POST {ONE}/channels": P.SET_POLICY,
    f"GET {ONE}/channels": P.SET_POLICY,
    f"DELETE {ONE}/channels/{{name}}": P.SET_POLICY,
    f"POST {ONE}/webhooks": P.SET_POLICY,
    f"GET {ONE}/webhooks": P.SET_POLICY,
    f"POST {ONE}/webhooks/{{name}}/rotate": P.SET_POLICY,
    f"POST {ONE}/webhooks/{{name}}/disable": P.SET_POLICY,
    f"POST {ONE}/webhooks/{{name}}/enable": P.SET_POLICY,
    f"POST {ONE}/webhooks/{{name}}/test": P.SET_POLICY,
    f"GET {ONE}/webhooks/{{name}}/deliveries": P.SET_POLICY,
    f"DELETE {ONE}/webhooks/{{name}}": P.SET_POLICY,
    f"GET {ONE}/alert-plan": P.SET_POLICY,
    f"PUT {ONE}/alert-plan": P.SET_POLICY,
    f"POST {ONE}/drills": P.HANDLE_INCIDENTS,
    f"GET {ONE}/drills/{{drill_id}}": P.HANDLE_INCIDENTS,
    f"POST {ONE}/models": P.REGISTER_VERSIONS,
    f"GET {ONE}/models": P.READ,
    f"POST {ONE}/models/{{model}}/versions": P.REGISTER_VERSIONS,
    f"GET {ONE}/models/{{model}}/versions": P.READ,
    f"GET {ONE}/models/{{model}}/versions/{{version}}/comparison": P.READ,
    f"GET {ONE}/models/{{model}}/versions/{{version}}/lineage": P.READ,
    f"GET {ONE}/models/{{model}}/versions/{{version}}/card": P.READ,
    f"PUT {ONE}/models/{{model}}/versions/{{version}}/weights": P.REGISTER_VERSIONS,
    f"GET {ONE}/registry/deviations": P.READ,
    f"POST {ONE}/models/{{model}}/repair": P.HANDLE_INCIDENTS,
    f"GET {ONE}/inventory": P.READ,
    f"GET {ONE}/inventory/questions": P.READ,
    f"GET {ONE}/inventory/models/{{model}}": P.READ,
    f"PUT {ONE}/inventory/models/{{model}}": P.SET_POLICY,
    f"POST {ONE}/inventory/models/{{model}}/reviews": P.DECIDE_PROMOTIONS,
    f"POST {ONE}/promotions": P.SUBMIT_PROMOTIONS,
    f"GET {ONE}/promotions": P.READ,
    f"GET {ONE}/promotions/{{promotion_id}}": P.READ,
    f"POST {ONE}/promotions/{{promotion_id}}/submit": P.SUBMIT_PROMOTIONS,
    f"POST {ONE}/promotions/{{promotion_id}}/approve": P.DECIDE_PROMOTIONS,
    f"POST {ONE}/promotions/{{promotion_id}}/reject": P.DECIDE_PROMOTIONS,
    f"POST {ONE}/promotions/{{promotion_id}}/roll-back": P.DECIDE_PROMOTIONS,
    f"POST {ONE}/promotions/{{promotion_id}}/comments": P.COMMENT_PROMOTIONS,
    f"GET {ONE}/promotions/{{promotion_id}}/comments": P.READ,
    f"GET {ONE}/models/{{model}}/serving": P.READ,
    f"GET {ONE}/models/{{model}}/shadow": P.READ,
    f"GET {ONE}/models/{{model}}/cohort-proposals": P.READ,
    f"GET {ONE}/models/{{model}}/versions/{{version}}/judgement": P.READ,
    f"POST {ONE}/retrain-requests": P.REQUEST_RETRAINING,
    f"GET {ONE}/retrain-requests": P.READ,
    f"GET {ONE}/retrain-requests/decisions": P.READ,
    f"POST {ONE}/retrain-requests/claim": P.CLAIM_RETRAINING,
    f"GET {ONE}/retrain-requests/{{request_id}}": P.READ,
    f"POST {ONE}/retrain-requests/{{request_id}}/progress": P.CLAIM_RETRAINING,
    f"POST {ONE}/retrain-requests/{{request_id}}/complete": P.CLAIM_RETRAINING,
    f"POST {ONE}/retrain-requests/{{request_id}}/fail": P.CLAIM_RETRAINING,
    f"POST {ONE}/retrain-requests/{{request_id}}/cancel": P.REQUEST_RETRAINING,
    f"POST {ONE}/retrain-requests/{{request_id}}/approve": P.REQUEST_RETRAINING,
    f"POST {ONE}/retrain-requests/{{request_id}}/roll-back": P.SUBMIT_PROMOTIONS,
    f"GET {ONE}/retrain-requests/{{request_id}}/outcome": P.READ,
    f"POST {ONE}/retrain-requests/{{request_id}}/allow-again": P.REQUEST_RETRAINING,
    f"GET {ONE}/audit": P.READ_AUDIT,
}
OF_THE_INSTALLATION = {  # only with a role in all federations
    route for route in TABLE if ONE not in route and route != f"GET {OF_ALL}"
}
OF_A_FEDERATION = [route for route in TABLE if ONE in route]
SAME = {"X-Request-ID": "the-same"}  # else each answer has one of its own
NOTHING = "00000000-0000-4000-8000-000000000000"
PARAMETERS = {
    **dict.fromkeys(("key_id", "round_id", "incident_id", "silence_id", "proposal_id"), NOTHING),
    **dict.fromkeys(("promotion_id", "request_id", "drill_id", "report_id"), NOTHING),
    "login": "grace",
    "run": "run-1",
    "number": "1",
    "phase": "evaluate",
    "spec_id": "bs_0123456789abcdef",
    "name": "on-call",
    "model": "late-arrival",
    "version": "1",
}


class State(StrEnum):
    """What a caller brings; the first two are keys that open something."""

    VALID = "valid"
    ELSEWHERE = "another federation's"
    REVOKED = "revoked"
    EXPIRED = "expired"
    FORGED = "forged"
    SESSION = "session"  # of the console: its cookie opens pages, never the API
    NONE = "none"


OPENING = (State.VALID, State.ELSEWHERE)


@dataclass(frozen=True)
class House:
    """The API with two federations, and headers of every role in every state."""

    caller: Caller
    headers: dict[tuple[Role, State], dict[str, str]]
    admin_of_all: dict[str, str]

    def call(
        self, route: str, headers: dict[str, str], federation: str = OURS, **parameters: str
    ) -> Response:
        """Call a route with an empty body, if it takes one, and no query."""
        method, path = route.split()
        headers = SAME | headers
        body = {} if method in MUTATING else None
        url = path.format(federation=federation, **(PARAMETERS | parameters))
        return self.caller.request(method, url, headers=headers, json=body)


@pytest.fixture(scope="module")
def house(blank_database: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    folder = tmp_path_factory.mktemp("house")
    (folder / "vigie.db").write_bytes(blank_database.read_bytes())
    settings = Settings(data_dir=folder, secret="s" * 32)
    database = Database(settings.database)
    issuing = Issuing(database, settings, found(database, OURS), found(database, THEIRS))
    app = create_app(settings)
    app.state.database = database
    with Caller(app) as caller:
        cells = {(role, state): issuing.headers(role, state) for role in Role for state in State}
        yield House(caller, cells, bearer(issuing.key(None, Role.ADMIN)))
    database.dispose()


def found(database: Database, name: str) -> Federation:
    with database.session_scope() as session:
        return federations.create(session, FederationIn(name=name, title=name), "test")


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


@dataclass(frozen=True)
class Issuing:
    """Makes what callers bring."""

    database: Database
    settings: Settings
    ours: Federation
    theirs: Federation

    def headers(self, role: Role, state: State) -> dict[str, str]:
        if state is State.NONE:
            return {}
        if state is State.SESSION:
            return {"Cookie": f"{cookies.SESSION}={self.session(role)}"}
        key = self.key(self.theirs if state is State.ELSEWHERE else self.ours, role, state)
        if state is State.FORGED:
            key = key[:-8] + "AAAAAAAA"
        return bearer(key)

    def session(self, role: Role) -> str:
        key = self.key(self.ours, role)
        lasting = Lifetimes(timedelta(hours=1), timedelta(hours=1))
        with self.database.session_scope() as session:
            who = federations.authenticate(session, key, self.settings.secret_key)
            return sessions.start(session, who, "test", lasting, self.settings.secret_key)

    def key(self, federation: Federation | None, role: Role, state: State = State.VALID) -> str:
        body = KeyIn(holder=role.value, role=role, expires_in_days=1)
        made = clock.now() - timedelta(days=1 if state is State.EXPIRED else 0)
        with clock.using(lambda: made), self.database.session_scope() as session:
            row, text = federations.issue_key(
                session, federation, body, "test", self.settings.secret_key
            )
            if state is State.REVOKED and federation is not None:
                federations.revoke_key(session, federation, row.id, "test")
        return text


@pytest.fixture(scope="module")
def routes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, APIRoute]:
    settings = Settings(data_dir=tmp_path_factory.mktemp("routes"), secret="s" * 32)
    return api_routes(create_app(settings).routes)


def test_the_table_names_every_route_and_no_other(routes: dict[str, APIRoute]) -> None:
    assert {route for route in routes if route.split()[1].startswith("/v1")} == set(TABLE)


def test_no_route_of_the_document_escapes_the_walk(
    house: House, routes: dict[str, APIRoute]
) -> None:
    paths: dict[str, dict[str, Any]] = house.caller.get("/openapi.json").json()["paths"]
    written = {f"{method.upper()} {path}" for path, item in paths.items() for method in item}
    assert written <= set(routes)


def test_every_route_but_the_installations_own_decides_who_may_call(
    routes: dict[str, APIRoute],
) -> None:
    open_to_all = {name for name, route in routes.items() if not decides(route.dependant)}
    assert open_to_all == {f"GET {OF_ALL}"} | {
        name for name in routes if name.split()[1] in UNAUTHORISED
    }
    assert not {name for name in open_to_all if name.split()[0] in MUTATING}


def decides(dependant: Dependant) -> bool:
    """Whether a permission is asked for, at any depth."""
    makers = {in_federation.__qualname__, in_installation.__qualname__}
    asked = getattr(dependant.call, "__qualname__", "").partition(".<locals>")[0]
    return asked in makers or any(decides(inner) for inner in dependant.dependencies)


@pytest.mark.parametrize("route", TABLE)
@pytest.mark.parametrize("state", [state for state in State if state not in OPENING])
def test_without_a_key_that_opens_anything_nobody_comes_in(
    house: House, route: str, state: State
) -> None:
    for role in [Role.ADMIN] if state is State.NONE else Role:
        answer = house.call(route, house.headers[role, state])
        assert answer.status_code == 401, f"{route} as {role}, {state}: {answer.text}"
        assert answer.headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize("route", OF_A_FEDERATION)
def test_another_tenants_federation_looks_like_none(house: House, route: str) -> None:
    for role in Role:
        for state, theirs in ((State.VALID, THEIRS), (State.ELSEWHERE, OURS)):
            headers = house.headers[role, state]
            foreign, missing = (
                house.call(route, headers, theirs),
                house.call(route, headers, NOBODYS),
            )
            assert foreign.status_code == missing.status_code == 404, (role, state)
            assert foreign.text.replace(theirs, NOBODYS) == missing.text
            assert _headers(foreign, len(theirs)) == _headers(missing, len(NOBODYS))


def _headers(answer: Response, name: int) -> dict[str, str]:
    """The headers, with the length that the body would have had without the name in it."""
    told = dict(answer.headers)
    return told | {"content-length": str(int(told["content-length"]) - name)}


@pytest.mark.parametrize("route", TABLE)
def test_at_home_exactly_the_roles_with_the_permission_may(house: House, route: str) -> None:
    permission = TABLE[route]
    for role in Role:
        may = permission is None or permission in ALLOWED[role]
        allowed = may and route not in OF_THE_INSTALLATION
        answer = house.call(route, house.headers[role, State.VALID])
        assert (answer.status_code != 403) == allowed, (role, answer.text)
        assert answer.status_code != 401
        assert answer.status_code < 500


@pytest.mark.parametrize("route", sorted(OF_THE_INSTALLATION))
def test_the_installation_is_for_admins_of_all_federations(house: House, route: str) -> None:
    assert house.call(route, house.admin_of_all).status_code not in {401, 403}


def test_a_key_lists_only_the_federations_that_it_may_see(house: House) -> None:
    for role in Role:
        for state, name in ((State.VALID, OURS), (State.ELSEWHERE, THEIRS)):
            seen = house.call(f"GET {OF_ALL}", house.headers[role, state]).json()
            assert [row["name"] for row in seen] == [name]
    seen_by_all = {row["name"] for row in house.call(f"GET {OF_ALL}", house.admin_of_all).json()}
    assert {OURS, THEIRS} <= seen_by_all


@pytest.mark.parametrize("role", Role)
def test_the_series_of_a_client_is_for_those_who_may_read_clients(house: House, role: Role) -> None:
    query = {"model": "late-arrival", "subject": "log_loss", "scope": "client"}
    headers = house.headers[role, State.VALID]
    answer = house.caller.get(f"{OF_ALL}/{OURS}/verdicts", params=query, headers=headers)
    assert answer.status_code == (200 if P.READ_CLIENTS in ALLOWED[role] else 403)
