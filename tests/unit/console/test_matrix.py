"""Every page and form of the console decides who may come, and tells nothing of what is there."""

from collections.abc import Callable
from uuid import uuid4

import pytest
from fastapi.dependencies.models import Dependant
from fastapi.testclient import TestClient

from app.console import access, router
from app.console.access import form_of, reader, reader_of
from tests.routes import every_route
from tests.unit.console.conftest import SignIn
from tests.unit.console.world import World

FOR_ALL = {
    "GET /static/{digest}/{name}",
    "GET /login",
    "POST /login",
    "GET /login/provider",
    "GET /login/provider/callback",
    "GET /password/{token}",
    "POST /password/{token}",
}
DECIDES = {
    reader.__qualname__,
    access._visitor.__qualname__,
    form_of.__qualname__,
    reader_of.__qualname__,
}
SAME = {"X-Request-ID": "the-same"}  # else each answer has one of its own
FEDERATIONS = ("federation", "model", "cohorts", "inventory", "policy")
THINGS = ("round", "incident", "promotion")
PAGES = (*FEDERATIONS, *THINGS)


def decides(dependant: Dependant) -> bool:
    asked = getattr(dependant.call, "__qualname__", "").partition(".<locals>")[0]
    return asked in DECIDES or any(decides(inner) for inner in dependant.dependencies)


def test_every_route_decides_but_those_for_all() -> None:
    every = {f"{m} {r.path}": r for r in every_route(router.router.routes) for m in r.methods}
    assert {name for name, route in every.items() if not decides(route.dependant)} == FOR_ALL


@pytest.mark.parametrize("page", PAGES)
def test_without_a_session_of_ones_own_everybody_is_sent_to_sign_in(
    site: Callable[[], TestClient], world: World, page: str
) -> None:
    key = next(iter(world.keys.values()))
    for headers in (
        {},
        {"Cookie": "vigie_session=" + "A" * 43},
        {"Authorization": f"Bearer {key}"},
    ):
        assert site().get(world.pages[page], headers=headers).status_code == 303


@pytest.mark.parametrize("page", PAGES)
def test_another_tenants_pages_look_like_none(sign_in: SignIn, world: World, page: str) -> None:
    stranger = sign_in(key=world.stranger)
    theirs = stranger.get(world.pages[page])
    missing = stranger.get(world.pages[page].replace("flights", "nowhere"))
    assert theirs.status_code == missing.status_code == 404
    assert theirs.text.replace("flights", "nowhere") == missing.text
    assert set(theirs.headers) == set(missing.headers)


@pytest.mark.parametrize("page", THINGS)
def test_another_tenants_things_look_like_none_at_home(
    sign_in: SignIn, world: World, page: str
) -> None:
    stranger, path = sign_in(key=world.stranger), world.pages[page].replace("flights", "trains")
    thing, nothing = path.rsplit("/", 1)[1], str(uuid4())
    theirs, missing = (
        stranger.get(one, headers=SAME) for one in (path, path.replace(thing, nothing))
    )
    assert theirs.status_code == missing.status_code == 404
    assert theirs.text.replace(thing, nothing) == missing.text
    assert dict(theirs.headers) == dict(missing.headers)


@pytest.mark.parametrize(
    "path", ["rounds/{round}", "incidents/{incident}", "promotions/{promotion}"]
)
def test_another_tenants_things_look_like_none_over_the_api(
    sign_in: SignIn, world: World, path: str
) -> None:
    things = {"round": world.round_id, "incident": world.incident_id}
    theirs_path = path.format(**things, promotion=world.promotion_id)
    nothing = uuid4()
    missing_path = path.format(round=nothing, incident=nothing, promotion=nothing)
    api, home = sign_in(key=world.stranger), "/v1/federations/trains/"
    headers = SAME | {"Authorization": f"Bearer {world.stranger}"}
    theirs, missing = (api.get(home + one, headers=headers) for one in (theirs_path, missing_path))
    assert theirs.status_code == missing.status_code == 404
    assert theirs.text.replace(theirs_path.rsplit("/", 1)[1], str(nothing)) == missing.text
    assert dict(theirs.headers) == dict(missing.headers)
