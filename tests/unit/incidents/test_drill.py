"""A drill reaches every channel, is marked as one, is audited, and tells which channel got it."""

import json
from collections.abc import Callable

import httpx
import pytest
from fastapi.testclient import TestClient
from sqlmodel import select
from typer.testing import CliRunner

from app.commands import drill as command
from app.core.database import Database
from app.core.outbox import OutboxRow, OutboxState
from app.core.settings import Settings
from app.federations import service as federations
from app.federations.roles import Role
from app.federations.tables import Federation
from app.incidents import delivery, notices, webhooks
from app.incidents.attempts import SENT, Outcome
from app.incidents.carriers import ToLog, ToWebhook
from app.incidents.delivery_schemas import WebhookIn
from app.incidents.notices import ANNOUNCE, DELIVER
from app.incidents.states import WebhookEvent
from workers.effects import Effect, External, Local

KeyOf = Callable[..., dict[str, str]]
Run = Callable[..., tuple[int, str]]


@pytest.fixture
def outcomes() -> dict[str, Outcome]:
    """What becomes of a message, by the kind of its carrier."""
    return {"ToLog": SENT, "ToWebhook": SENT}


@pytest.fixture
def vigie(
    api: TestClient,
    key_of: KeyOf,
    database: Database,
    settings: Settings,
    federation: Federation,
    outcomes: dict[str, Outcome],
    monkeypatch: pytest.MonkeyPatch,
) -> Run:
    """`vigie drill ...`, with a worker that has done its work whenever the service is asked."""
    with database.session_scope() as session:
        here = federations.get(session, federation.id)
        body = WebhookIn(name="fl", url="https://example.org/", events=[WebhookEvent.RESOLVED])
        webhooks.add(session, here, body, "Ada", settings)

    def answer(request: httpx.Request) -> httpx.Response:
        if request.method == "GET":
            work(database, settings, outcomes)
        given = api.request(
            request.method,
            request.url.raw_path.decode(),
            content=request.content,
            headers=dict(request.headers),
        )
        return httpx.Response(given.status_code, content=given.content, headers=given.headers)

    def client(url: str, key: str, name: str) -> httpx.Client:
        made = opened(url, key, name)
        return httpx.Client(
            base_url=made.base_url, headers=made.headers, transport=httpx.MockTransport(answer)
        )

    opened = command.open_client
    monkeypatch.setattr(command, "open_client", client)
    key = key_of(Role.ON_CALL, holder="Ada")["Authorization"].removeprefix("Bearer ")
    monkeypatch.setenv("VIGIE_KEY", key)
    monkeypatch.setenv("COLUMNS", "200")

    def run(*arguments: str) -> tuple[int, str]:
        result = CliRunner().invoke(command.cli, ["incident", "-f", "flights", *arguments])
        return result.exit_code, result.output

    return run


def work(database: Database, settings: Settings, outcomes: dict[str, Outcome]) -> None:
    attempt = External(
        lambda session, id_: delivery.prepare(session, id_, settings),
        lambda carrier: outcomes[type(carrier).__name__],
        delivery.record,
    )
    spread = Local(lambda session, id_: notices.spread(session, id_, settings))
    effects: dict[str, Effect] = {ANNOUNCE: spread, DELIVER: attempt}
    for task, effect in effects.items():
        with database.read_scope() as session:
            rows = select(OutboxRow.id).where(OutboxRow.task == task)
            ids = session.exec(rows.where(OutboxRow.state == OutboxState.PENDING)).all()
        for row_id in ids:
            effect.run(database, row_id)


def test_every_channel_is_tried_and_told_of(vigie: Run) -> None:
    code, output = vigie("--json")
    told = json.loads(output)
    assert code == 0
    assert {notice["channel"]: notice["state"] for notice in told["notices"]} == {
        "log": "sent",
        "webhook:fl": "sent",  # though it asked for other events alone
    }


def test_a_channel_that_did_not_take_it_fails_the_drill(
    vigie: Run, outcomes: dict[str, Outcome]
) -> None:
    outcomes["ToWebhook"] = Outcome(error="The receiver answered 503.")
    code, output = vigie()
    assert code == 1
    assert "webhook:fl  no" in output
    assert "answered 503" in output
    assert "Not every channel took it." in output


def test_without_a_worker_it_says_so(vigie: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(f"{__name__}.work", lambda *_args: None)
    code, output = vigie("--wait", "1")
    assert code == 1
    assert "No worker" in output


def test_it_is_marked_as_a_drill_wherever_it_arrives(
    vigie: Run, database: Database, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen, really_work = [], work

    def look(database: Database, settings: Settings, _outcomes: object) -> None:
        really_work(database, settings, {"ToLog": SENT, "ToWebhook": SENT})
        with database.read_scope() as session:
            for row in session.exec(select(OutboxRow).where(OutboxRow.task == DELIVER)):
                notice = session.get_one(notices.Notice, row.subject)
                seen.append(delivery.carrier_of(session, notice, settings))

    monkeypatch.setattr(f"{__name__}.work", look, raising=True)
    vigie()
    log = next(one for one in seen if isinstance(one, ToLog))
    hook = next(one for one in seen if isinstance(one, ToWebhook))
    assert log.title.startswith("[DRILL]")
    told = json.loads(hook.body)
    assert told["type"] == "drill"
    assert told["data"]["title"].startswith("[DRILL]")
    assert "Ada tests whether alerts arrive" in told["data"]["points"]["what"]


def test_it_is_audited_under_who_ran_it(vigie: Run, api: TestClient, key_of: KeyOf) -> None:
    vigie("--severity", "warning")
    entries = api.get("/v1/federations/flights/audit", headers=key_of(Role.AUDITOR)).json()
    (entry,) = [entry for entry in entries if entry["action"] == "drill.start"]
    assert (entry["actor"], entry["after"]) == ("Ada", {"severity": "warning"})


def test_a_key_that_opens_nothing_is_said_in_a_line(vigie: Run) -> None:
    code, output = vigie("--key", "vg_nonsense")
    assert code == 1
    assert output.startswith("401: ")


def test_another_federations_drill_is_not_found(api: TestClient, key_of: KeyOf) -> None:
    where = "/v1/federations/flights/drills/00000000-0000-4000-8000-000000000000"
    assert api.get(where, headers=key_of(Role.ON_CALL)).status_code == 404
