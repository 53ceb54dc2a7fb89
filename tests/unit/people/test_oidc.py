"""Signing in with a real OpenID Connect provider, and everything that proves nobody."""

import time
from collections.abc import Callable, Iterator
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from fastapi.testclient import TestClient
from httpx import Response
from joserfc.jwk import OctKey
from pydantic import ValidationError

from app.console import cookies
from app.core.database import Database
from app.core.settings import Settings
from app.federations.roles import Role
from app.federations.tables import Federation
from app.main import create_app
from app.people import roles, service
from tests.calling import application
from tests.unit.people import provider as providers
from tests.unit.people.conftest import Place
from tests.unit.people.provider import CLIENT_ID, CLIENT_SECRET, Provider

PUBLIC = "http://127.0.0.1:8000"
LOGIN = "grace@hospital.example"


@pytest.fixture
def provider(monkeypatch: pytest.MonkeyPatch) -> Iterator[Provider]:
    monkeypatch.setenv("AUTHLIB_INSECURE_TRANSPORT", "1")  # the provider has no TLS on loopback
    with providers.running(f"{PUBLIC}/login/provider/callback") as running:
        yield running


@pytest.fixture
def place(
    settings: Settings, database: Database, federation: Federation, provider: Provider
) -> Place:
    served = Settings(
        data_dir=settings.data_dir,
        secret="s" * 32,
        oidc_issuer=provider.issuer,
        oidc_client_id=CLIENT_ID,
        oidc_client_secret=CLIENT_SECRET,
        oidc_roles={"vigie-admins": ["*:admin"], "vigie-validators": ["flights:validator"]},
    )
    app = application(served, database)
    return Place(app, database, served, federation)


def begin(browser: TestClient, after: str = "/f/flights") -> str:
    """Where the provider sends the browser back to, after it has let the person in."""
    away = browser.get("/login/provider", params={"after": after})
    assert away.status_code == 303, away.text
    back = httpx.get(away.headers["location"])
    assert back.status_code == 302, back.text
    assert back.headers["location"].startswith(f"{PUBLIC}/login/provider/callback?")
    return back.headers["location"].removeprefix(PUBLIC)


def come_back(browser: TestClient) -> Response:
    return browser.get(begin(browser))


def test_somebody_signs_in_with_the_role_of_their_group(place: Place) -> None:
    browser = place.browser()
    answer = come_back(browser)
    assert answer.status_code == 303, answer.text
    assert answer.headers["location"] == "/f/flights"
    home = browser.get("/f/flights").text
    assert "Grace Hopper" in home
    assert "<small>validator</small>" in home
    with place.database.read_scope() as session:
        person = service.named(session, LOGIN)
    assert person.password_hash is None
    assert place.audited("session.start")[0].actor_id == f"person:{person.id}"


def test_the_request_has_pkce_state_and_nonce_and_no_secret(place: Place) -> None:
    away = place.browser().get("/login/provider").headers["location"]
    asked = parse_qs(urlsplit(away).query)
    assert asked["response_type"] == ["code"]
    assert asked["code_challenge_method"] == ["S256"]
    assert len(asked["state"][0]) == len(asked["nonce"][0]) == 64
    assert len({asked["state"][0], asked["nonce"][0], asked["code_challenge"][0]}) == 3
    assert CLIENT_SECRET not in away


def _lie(**lies: object) -> Callable[[Provider], None]:
    return lambda provider: provider.lies.update(lies)


def _sign_with_another_key(provider: Provider) -> None:
    provider.key = providers.OTHER_KEY


def _sign_with_the_public_key(provider: Provider) -> None:
    provider.key = OctKey.import_key({"kty": "oct", "k": providers.KEY.as_dict()["n"]})
    provider.header = {"alg": "HS256", "kid": "one"}


NOW = int(time.time())


@pytest.mark.parametrize(
    "lie",
    [
        pytest.param(_sign_with_another_key, id="bad signature"),
        pytest.param(_sign_with_the_public_key, id="HMAC with the public key"),
        pytest.param(_lie(iss="https://evil.example"), id="wrong issuer"),
        pytest.param(_lie(aud="somebody-else"), id="wrong audience"),
        pytest.param(_lie(aud=[CLIENT_ID, "other"]), id="two audiences and no azp"),
        pytest.param(_lie(azp="somebody-else"), id="authorized for another"),
        pytest.param(_lie(nonce="0" * 64), id="wrong nonce"),
        pytest.param(_lie(at_hash="AAAA"), id="of another access token"),
        pytest.param(_lie(exp=NOW - 3600, iat=NOW - 7200), id="expired"),
        pytest.param(_lie(iat=NOW + 36000), id="issued later"),
        pytest.param(_lie(nbf=NOW + 36000), id="not yet valid"),
        pytest.param(_lie(email_verified=False), id="e-mail not verified"),
        pytest.param(_lie(email=None), id="no e-mail"),
        pytest.param(_lie(email="gr ace'--"), id="no usable login"),
    ],
)
def test_a_token_that_proves_nobody_lets_nobody_in(
    place: Place, provider: Provider, lie: Callable[[Provider], None]
) -> None:
    lie(provider)
    browser = place.browser()
    answer = come_back(browser)
    assert answer.status_code == 401, answer.text
    assert cookies.SESSION not in browser.cookies
    with place.database.read_scope() as session:
        assert service.everyone(session) == []


def test_clocks_may_differ_by_less_than_a_minute(place: Place, provider: Provider) -> None:
    provider.lies = {"exp": int(time.time()) - 20, "iat": int(time.time()) - 300}
    assert come_back(place.browser()).status_code == 303


def test_a_code_is_used_once(place: Place) -> None:
    browser = place.browser()
    back = begin(browser)
    attempt = browser.cookies[cookies.ATTEMPT]
    assert browser.get(back).status_code == 303
    again = place.browser()
    assert again.get(back).status_code == 401, "the cookie is gone"
    again.cookies.set(cookies.ATTEMPT, attempt)
    assert again.get(back).status_code == 401, "the code was used"


def test_an_answer_is_of_use_only_to_the_browser_that_asked(place: Place) -> None:
    back = begin(place.browser())
    other = place.browser()
    begin(other)
    assert other.get(back).status_code == 401
    assert place.browser().get(back).status_code == 401


def test_an_attempt_ends_after_ten_minutes(place: Place, time) -> None:  # type: ignore[no-untyped-def]
    browser = place.browser()
    back = begin(browser)
    time.forward(minutes=11)
    assert browser.get(back).status_code == 401


def test_another_address_to_come_back_to_is_none_of_ours(place: Place) -> None:
    browser = place.browser()
    answer = browser.get(begin(browser, "//evil.example"))
    assert answer.headers["location"] == "/evil.example"
    answer = browser.get(begin(browser, "https://evil.example"))
    assert answer.headers["location"] == "/"


def test_roles_come_and_go_with_the_groups(place: Place, provider: Provider) -> None:
    browser = place.browser()
    come_back(browser)
    provider.person["groups"] = ["vigie-admins"]
    come_back(browser)
    assert "<small>admin</small>" in browser.get("/f/flights").text
    provider.person["groups"] = []
    refused = come_back(browser)
    assert refused.status_code == 403
    assert "no role in any federation" in refused.text


def test_a_role_given_by_hand_counts_before_the_groups(place: Place) -> None:
    with place.database.session_scope() as session:
        roles.give(session, LOGIN, place.federation.id, Role.OWNER, "test")
    browser = place.browser()
    come_back(browser)
    assert "<small>owner</small>" in browser.get("/f/flights").text


def test_who_has_no_role_leaves_no_account(place: Place, provider: Provider) -> None:
    provider.person["groups"] = "vigie-admins"  # no list
    assert come_back(place.browser()).status_code == 403
    with place.database.read_scope() as session:
        assert service.everyone(session) == []


def test_an_account_of_the_same_login_is_not_taken_over(place: Place) -> None:
    place.person(LOGIN)
    assert come_back(place.browser()).status_code == 409


def test_another_subject_with_the_same_login_is_somebody_else(
    place: Place, provider: Provider
) -> None:
    come_back(place.browser())
    provider.person["sub"] = "another"
    assert come_back(place.browser()).status_code == 409


def test_a_disabled_person_does_not_come_in(place: Place) -> None:
    come_back(place.browser())
    with place.database.session_scope() as session:
        service.disable(session, LOGIN, "test")
    assert come_back(place.browser()).status_code == 401


def test_who_signs_in_there_gets_no_password_here(place: Place) -> None:
    from app.people.errors import NoPasswordError

    come_back(place.browser())
    with pytest.raises(NoPasswordError), place.database.session_scope() as session:
        service.make_link(session, LOGIN, "test", place.settings.secret_key)


def test_a_provider_that_is_down_is_said_to_be(place: Place, settings: Settings) -> None:
    gone = Settings(
        data_dir=settings.data_dir,
        secret="s" * 32,
        oidc_issuer="http://127.0.0.1:9/gone",
        oidc_client_id=CLIENT_ID,
    )
    browser = TestClient(create_app(gone), follow_redirects=False)
    assert browser.get("/login/provider").status_code == 503


def test_without_a_provider_there_is_no_such_page(api: TestClient) -> None:
    assert api.get("/login/provider").status_code == 404
    assert "organisation" not in api.get("/login").text


@pytest.mark.parametrize(
    "wrong",
    [
        {"oidc_issuer": "http://sso.example", "oidc_client_id": "vigie"},
        {"oidc_issuer": "https://sso.example"},
        {"oidc_roles": {"group": ["flights:king"]}},
        {"oidc_roles": {"group": ["flights:ingest"]}},
    ],
)
def test_settings_that_cannot_be_meant_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Settings(**wrong)
