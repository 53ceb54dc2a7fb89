"""Every route of the API for every role, at home, elsewhere, and with no key that opens anything.

The table says what each route asks for; a route that is not in it fails, so that nobody adds one
without deciding who may call it.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from fastapi.testclient import TestClient
from httpx import Response
from starlette.routing import BaseRoute

from app.core.database import Database
from app.core.settings import Settings
from app.federations import service as federations
from app.federations.dependencies import everywhere, in_federation
from app.federations.roles import ALLOWED, Permission, Role
from app.federations.schemas import FederationIn, KeyIn
from app.federations.tables import Federation
from app.main import create_app

OURS, THEIRS, NOBODYS = "flights", "trains", "ships"
OF_ALL, ONE = "/v1/federations", "/v1/federations/{federation}"
MUTATING = {"POST", "PUT", "PATCH", "DELETE"}
UNAUTHORISED = {"/healthz", "/readyz", "/metrics"}  # reads of the installation, none of a tenant

P = Permission
TABLE: dict[str, Permission | None] = {  # None: any key that opens something
    f"POST {OF_ALL}": P.MANAGE_FEDERATIONS,
    f"GET {OF_ALL}": None,
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
    f"GET {ONE}/rounds/{{round_id}}/verdicts": P.READ,
    f"GET {ONE}/rounds/{{round_id}}/report": P.READ,
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
    f"POST {ONE}/promotions": P.SUBMIT_PROMOTIONS,
    f"GET {ONE}/promotions": P.READ,
    f"GET {ONE}/promotions/{{promotion_id}}": P.READ,
    f"POST {ONE}/promotions/{{promotion_id}}/submit": P.SUBMIT_PROMOTIONS,
    f"POST {ONE}/promotions/{{promotion_id}}/approve": P.DECIDE_PROMOTIONS,
    f"POST {ONE}/promotions/{{promotion_id}}/reject": P.DECIDE_PROMOTIONS,
    f"POST {ONE}/promotions/{{promotion_id}}/roll-back": P.DECIDE_PROMOTIONS,
    f"POST {ONE}/retrain-requests": P.REQUEST_RETRAINING,
    f"GET {ONE}/retrain-requests": P.READ,
    f"POST {ONE}/retrain-requests/claim": P.CLAIM_RETRAINING,
    f"GET {ONE}/retrain-requests/{{request_id}}": P.READ,
    f"POST {ONE}/retrain-requests/{{request_id}}/progress": P.CLAIM_RETRAINING,
    f"POST {ONE}/retrain-requests/{{request_id}}/complete": P.CLAIM_RETRAINING,
    f"POST {ONE}/retrain-requests/{{request_id}}/fail": P.CLAIM_RETRAINING,
    f"POST {ONE}/retrain-requests/{{request_id}}/cancel": P.REQUEST_RETRAINING,
    f"GET {ONE}/audit": P.READ_AUDIT,
}
OF_A_FEDERATION = [route for route in TABLE if ONE in route]
NOTHING = "00000000-0000-4000-8000-000000000000"
PARAMETERS = {
    **dict.fromkeys(("key_id", "round_id", "incident_id", "silence_id", "proposal_id"), NOTHING),
    **dict.fromkeys(("promotion_id", "request_id", "drill_id"), NOTHING),
    "run": "run-1",
    "number": "1",
    "phase": "evaluate",
    "spec_id": "bs_0123456789abcdef",
    "name": "on-call",
    "model": "late-arrival",
    "version": "1",
}


@dataclass(frozen=True)
class House:
    """The API with two federations, and keys of every role in the first."""

    client: TestClient
    keys: dict[Role, str]
    revoked: dict[Role, str]
    admin_of_all: str

    def call(self, route: str, key: str | None, federation: str = OURS) -> Response:
        """Call a route with an empty body, if it takes one, and no query."""
        method, path = route.split()
        headers = {} if key is None else {"Authorization": f"Bearer {key}"}
        body = {} if method in MUTATING else None
        url = path.format(federation=federation, **PARAMETERS)
        return self.client.request(method, url, headers=headers, json=body)


@pytest.fixture(scope="module")
def house(blank_database: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    folder = tmp_path_factory.mktemp("house")
    (folder / "vigie.db").write_bytes(blank_database.read_bytes())
    settings = Settings(data_dir=folder, secret="s" * 32)
    database = Database(settings.database)
    ours = found(database, OURS)
    found(database, THEIRS)
    app = create_app(settings)
    app.state.database = database
    with TestClient(app, raise_server_exceptions=False) as client:
        yield House(
            client,
            {role: issue(database, settings, ours, role) for role in Role},
            {role: issue(database, settings, ours, role, revoked=True) for role in Role},
            issue(database, settings, None, Role.ADMIN),
        )
    database.dispose()


def found(database: Database, name: str) -> Federation:
    with database.session_scope() as session:
        return federations.create(session, FederationIn(name=name, title=name), "test")


def issue(
    database: Database,
    settings: Settings,
    federation: Federation | None,
    role: Role,
    *,
    revoked: bool = False,
) -> str:
    body = KeyIn(holder=role.value, role=role)
    with database.session_scope() as session:
        row, text = federations.issue_key(session, federation, body, "test", settings.secret_key)
        if revoked and federation is not None:
            federations.revoke_key(session, federation, row.id, "test")
    return text


def api_routes(routes: Iterable[BaseRoute]) -> Iterator[APIRoute]:
    """Every API route, those of included routers too; the console's pages are tested elsewhere."""
    for route in routes:
        if isinstance(route, APIRoute):
            if route.include_in_schema:
                yield route
        elif hasattr(route, "original_router"):
            yield from api_routes(route.original_router.routes)


def named(routes: Iterable[APIRoute]) -> dict[str, APIRoute]:
    return {f"{method} {route.path}": route for route in routes for method in route.methods}


@pytest.fixture(scope="module")
def routes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, APIRoute]:
    settings = Settings(data_dir=tmp_path_factory.mktemp("routes"), secret="s" * 32)
    return named(api_routes(create_app(settings).routes))


def test_the_table_names_every_route_and_no_other(routes: dict[str, APIRoute]) -> None:
    assert {route for route in routes if route.split()[1].startswith("/v1")} == set(TABLE)


def test_no_route_of_the_document_escapes_the_walk(
    house: House, routes: dict[str, APIRoute]
) -> None:
    paths: dict[str, dict[str, Any]] = house.client.get("/openapi.json").json()["paths"]
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
    makers = {in_federation.__qualname__, everywhere.__qualname__}
    asked = getattr(dependant.call, "__qualname__", "").partition(".<locals>")[0]
    return asked in makers or any(decides(inner) for inner in dependant.dependencies)


@pytest.mark.parametrize("route", TABLE)
def test_without_a_key_that_opens_anything_nobody_comes_in(house: House, route: str) -> None:
    for key in (None, "vg_nonsense", *house.revoked.values()):
        answer = house.call(route, key)
        assert answer.status_code == 401, f"{route} with {key}: {answer.text}"
        assert answer.headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize("route", OF_A_FEDERATION)
@pytest.mark.parametrize("role", Role)
def test_another_tenants_federation_looks_like_none(house: House, route: str, role: Role) -> None:
    theirs = house.call(route, house.keys[role], THEIRS)
    nobodys = house.call(route, house.keys[role], NOBODYS)
    assert theirs.status_code == nobodys.status_code == 404
    assert theirs.text.replace(THEIRS, NOBODYS) == nobodys.text
    shown = {"content-length", "content-type"}
    assert set(theirs.headers) == set(nobodys.headers) == shown


@pytest.mark.parametrize("route", TABLE)
@pytest.mark.parametrize("role", Role)
def test_at_home_exactly_the_roles_with_the_permission_may(
    house: House, route: str, role: Role
) -> None:
    permission = TABLE[route]
    allowed = permission is None or permission in ALLOWED[role]
    answer = house.call(route, house.keys[role])
    assert (answer.status_code != 403) == allowed, answer.text
    assert answer.status_code != 401
    assert answer.status_code < 500


def test_only_an_admin_of_the_whole_service_founds_federations(house: House) -> None:
    body = {"name": "buses", "title": "Buses"}
    answers = [
        house.client.post(OF_ALL, json=body, headers={"Authorization": f"Bearer {key}"})
        for key in (house.keys[Role.ADMIN], house.admin_of_all)
    ]
    assert [answer.status_code for answer in answers] == [403, 201]


def test_a_key_lists_only_the_federations_that_it_may_see(house: House) -> None:
    for key in house.keys.values():
        assert [row["name"] for row in house.call(f"GET {OF_ALL}", key).json()] == [OURS]
    seen = {row["name"] for row in house.call(f"GET {OF_ALL}", house.admin_of_all).json()}
    assert {OURS, THEIRS} <= seen


@pytest.mark.parametrize("role", Role)
def test_the_series_of_a_client_is_for_those_who_may_read_clients(house: House, role: Role) -> None:
    headers = {"Authorization": f"Bearer {house.keys[role]}"}
    query = {"model": "late-arrival", "subject": "log_loss", "scope": "client"}
    answer = house.client.get(f"{OF_ALL}/{OURS}/verdicts", params=query, headers=headers)
    assert answer.status_code == (200 if P.READ_CLIENTS in ALLOWED[role] else 403)
