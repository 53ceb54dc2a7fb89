"""The pages of governance: what they show, to whom, and what their forms change."""

import json
import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

import pytest
from fastapi.testclient import TestClient
from httpx import Response

from app.core.database import Database
from app.core.settings import Settings
from app.federations import service as federations
from app.federations.policy import Policy
from app.federations.roles import ALLOWED, Permission, Role
from app.incidents import repository, trying
from app.incidents.errors import BacktestFailedError
from app.incidents.proposals import Trial
from app.registry.criticality import QUESTIONS
from tests.unit.console.conftest import SignIn, form_token
from tests.unit.console.world import MODEL, World
from tests.working import EFFECTS_HERE, work
from workers.tasks import BACKTEST_ATTEMPTS

HERE = "/f/flights"
P = Permission
BOUND = {f"{HERE}/audit": P.READ_AUDIT, f"{HERE}/members": P.MANAGE_KEYS}


def post(browser: TestClient, path: str, **fields: str) -> tuple[int, str]:
    """Send a form of this session; status and text of the page that it leads to."""
    answer = browser.post(path, data={"form_token": form_token(browser)} | fields)
    if answer.status_code == 303:
        answer = browser.get(answer.headers["location"])
    return answer.status_code, answer.text


@pytest.mark.parametrize("path", BOUND)
@pytest.mark.parametrize("role", list(Role))
def test_some_pages_are_for_some_roles(sign_in: SignIn, role: Role, path: str) -> None:
    browser = sign_in(role)
    allowed = BOUND[path] in ALLOWED[role]
    assert browser.get(path).status_code == (200 if allowed else 403)
    assert (f'href="{path}"' in browser.get(HERE).text) == allowed


def test_a_stranger_finds_none_of_them(sign_in: SignIn, world: World) -> None:
    stranger = sign_in(key=world.stranger)
    for page in ("inventory", "policy", "audit", "audit/export", "members"):
        assert stranger.get(f"{HERE}/{page}").status_code in {403, 404}
        assert "Grace" not in stranger.get(f"{HERE}/{page}").text


def test_the_overview_puts_first_what_ones_role_can_see_to(sign_in: SignIn, world: World) -> None:
    promotion, incident = (f'href="{world.pages[page]}"' for page in ("promotion", "incident"))
    for role, mine, others in (
        (Role.VALIDATOR, promotion, incident),
        (Role.ON_CALL, incident, promotion),
    ):
        text = sign_in(role).get("/").text
        assert text.index("For you") < text.index(mine) < text.index("For others")
        assert text.index("For others") < text.index(others)
    assert "For you" not in sign_in(Role.VIEWER).get("/").text


def test_a_model_is_described_and_reviewed(sign_in: SignIn) -> None:
    ada = sign_in(Role.OWNER)
    answers = {one.name: list(one.answers)[-1] for one in QUESTIONS}
    facts = {"purpose": "Late flights", "data_used": "Departures", "used_by": ""}
    people = {"owner": "Ada", "developer": "Dev", "validator": "Grace"}
    path = f"{HERE}/inventory/{MODEL}"
    assert post(ada, path, **facts, **people)[0] == 422
    status, text = post(ada, path, **facts, **people, **answers)
    assert status == 200
    assert "critical criticality" in text
    review = {"outcome": "fit", "note": "as before"}
    grace = sign_in(Role.VALIDATOR)
    assert "as before" in post(grace, f"{HERE}/models/{MODEL}/review", **review)[1]
    assert "<td>Grace</td>" in sign_in(Role.VIEWER).get(f"{HERE}/inventory").text


def test_the_audit_log_is_paged_filtered_verified_and_exported(
    sign_in: SignIn, database: Database
) -> None:
    aud = sign_in(Role.AUDITOR)
    filtered = aud.get(f"{HERE}/audit", params={"action": "promotion.", "actor": "Ada"}).text
    assert set(re.findall(r"<td>(\w+)\.\w+</td>", filtered)) == {"promotion"}
    first = aud.get(f"{HERE}/audit?before=3").text
    assert re.findall(r'<th scope="row" class="n">(\d+)', first) == ["1"]
    assert "follow each other" in aud.get(f"{HERE}/audit?verify=true").text
    lines = [json.loads(line) for line in aud.get(f"{HERE}/audit/export").text.splitlines()]
    with database.read_scope() as session:
        here = federations.named(session, "flights").id
    assert {line["federation_id"] for line in lines} == {str(here)}
    assert [line["seq"] for line in lines] == sorted((one["seq"] for one in lines), reverse=True)


def test_a_broken_chain_is_told(sign_in: SignIn, database: Database) -> None:
    aud = sign_in(Role.AUDITOR)
    with database.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE audit_log SET actor = 'Eve' WHERE seq = 2")
    assert "its content was edited" in aud.get(f"{HERE}/audit?verify=true").text


def test_a_policy_is_tried_and_put_in_force(sign_in: SignIn) -> None:
    ada = sign_in(Role.OWNER)
    status, text = post(ada, f"{HERE}/policy/try", text="drifd: {}")
    assert status == 422
    assert "there is no such field" in text
    new = "promotion:\n  expire_hours: 100\n"
    assert "promotion.expire_hours" in post(ada, f"{HERE}/policy/try", text=new)[1]
    fields = {"text": new, "version": "1", "why": "shorter"}
    assert ": shorter" in post(ada, f"{HERE}/policy", **fields)[1]
    assert post(ada, f"{HERE}/policy", **fields)[0] == 409
    viewer = sign_in(Role.VIEWER)
    assert "expire_hours: 100" in viewer.get(f"{HERE}/policy").text
    assert post(viewer, f"{HERE}/policy", **fields)[0] == 403


FOUND = {
    "rounds": 13,
    "counts": {"opened": 1, "spared": 0, "same": 2},
    "opened": [
        {"severity": "warning", "title": "Drift in score", "opened_step": 3, "resolution": None}
    ],
    "spared": [],
}


def backtest(browser: TestClient, **fields: str) -> Response:
    data = {"form_token": form_token(browser), "text": "{}", "backtest": "true"} | fields
    return browser.post(f"{HERE}/policy/try", data=data)


def playing(monkeypatch: pytest.MonkeyPatch, perform: Callable[[Trial], object]) -> None:
    """A worker that plays so; history itself is played in `incidents/test_proposals`."""
    effect = replace(EFFECTS_HERE[trying.TRY], perform=perform)
    monkeypatch.setitem(EFFECTS_HERE, trying.TRY, effect)


def test_a_backtest_is_played_by_a_worker_while_the_page_waits(
    sign_in: SignIn, database: Database, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Trial] = []
    playing(monkeypatch, lambda trial: asked.append(trial) or FOUND)
    ada, new = sign_in(Role.OWNER), "promotion:\n  expire_hours: 100\n"
    assert backtest(sign_in(Role.VIEWER)).status_code == 403
    answer = backtest(ada, text=new)
    assert answer.status_code == 303
    where = answer.headers["location"]
    waiting = ada.get(where)
    assert waiting.status_code == 202
    assert "A worker plays all stored rounds under it; Ada asked" in waiting.text
    assert "promotion.expire_hours" in waiting.text
    assert asked == [], "the page plays nothing itself"
    assert backtest(ada).status_code == 409
    assert f'href="{where}"' in sign_in(Role.VIEWER).get(f"{HERE}/policy").text
    work(database, trying.TRY)
    assert [one.policy.promotion.expire_hours for one in asked] == [100]
    over = sign_in(Role.VIEWER).get(where)
    assert over.status_code == 200
    assert "13 stored rounds, judged once more: 1 incidents more" in over.text
    assert "would have opened: Drift in score" in over.text
    assert sign_in(key=world.stranger).get(where.replace("flights", "trains")).status_code == 404


def test_a_backtest_that_fails_says_why_and_leaves_room_for_the_next(
    sign_in: SignIn, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_trial: Trial) -> object:
        raise BacktestFailedError("no disk")

    playing(monkeypatch, fail)
    ada = sign_in(Role.OWNER)
    where = backtest(ada).headers["location"]
    for _ in range(BACKTEST_ATTEMPTS):
        with suppress(BacktestFailedError):
            work(database, trying.TRY)
    failed = ada.get(where)
    assert "no disk" in failed.text
    assert failed.status_code == 200
    assert backtest(ada).status_code == 303


def test_the_newest_trials_are_kept(
    database: Database, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trying, "KEPT", 2)
    with database.session_scope() as session:
        federation = federations.named(session, "flights")
        for _ in range(4):
            trial = trying.ask(session, federation, Policy(), "{}", "Ada")
            trying.record(session, trial.id, FOUND)
        assert len(repository.trials_of(session, federation.id)) == 2
        assert trying.newest(session, federation.id) == trial


def test_keys_are_issued_once_and_revoked(sign_in: SignIn, world: World) -> None:
    ann = sign_in(Role.ADMIN)
    text = post(ann, f"{HERE}/members/keys", holder="Bo", role="viewer", days="")[1]
    (key,) = re.findall(r'class="secret">(vg_[\w-]+)<', text)
    assert key not in ann.get(f"{HERE}/members").text
    bo = sign_in(key=key)
    assert bo.get(HERE).status_code == 200
    (path,) = re.findall(
        r'action="([^"]+/revoke)"><input[^>]+><button[^>]+aria-label="Revoke the key of Bo"', text
    )
    assert post(ann, path)[0] == 200
    assert bo.get(HERE).status_code == 303


def test_roles_are_given_and_taken_but_accounts_are_the_installations(sign_in: SignIn) -> None:
    ann = sign_in(Role.ADMIN)
    given = post(ann, f"{HERE}/members/people", login="bo", role="analyst")[1]
    assert "Take the role of bo" in given
    assert "Take the role of bo" not in post(ann, f"{HERE}/members/people/take", login="bo")[1]
    invitation = {"login": "eve", "name": "Eve", "role": "viewer"}
    assert post(ann, f"{HERE}/members/people/invite", **invitation)[0] == 403
    assert "Invite somebody new" not in given


def test_an_admin_of_all_invites(sign_in: SignIn, database: Database) -> None:
    with database.session_scope() as session:
        key = federations.bootstrap_admin(session, b"s" * 32)
    assert key is not None
    root = sign_in(key=str(key))
    invitation = {"login": "eve", "name": "Eve", "role": "viewer"}
    text = post(root, f"{HERE}/members/people/invite", **invitation)[1]
    assert re.search(r'class="secret">[^<]+/password/', text)
    assert "Take the role of eve" in text
