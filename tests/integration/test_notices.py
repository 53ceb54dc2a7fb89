"""Notices on real wires: Apprise, e-mail, and Alertmanager with a receiver behind it."""

import email
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email import policy
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlmodel import select

from app.core import clock, outbox
from app.core.database import Database
from app.core.outbox import OutboxRow, OutboxState
from app.core.settings import Settings
from app.drift.tables import Reference
from app.federations import service as federations
from app.federations.tables import Federation
from app.incidents import channels, delivery, drills, notices, service
from app.incidents.alertmanager import post_alerts
from app.incidents.delivery_schemas import ChannelIn
from app.incidents.notices import ANNOUNCE, ANNOUNCE_REQUEST, DELIVER
from app.incidents.sending import Limits
from app.incidents.states import Resolution, Severity
from app.incidents.tables import Notice
from demo.ports import free_port
from tests.integration.polling import wait_for
from tests.integration.receivers import Receiver, answering, receiving, taking_mail
from tests.servers import program_or_skip
from tests.unit.incidents.stories import MODEL, Story, verdict
from workers.effects import Effect, External, Local

START_SECONDS = 20.0
LIMITS = Limits(5.0)
CONFIG = """
route:
  receiver: hook
  group_by: [incident, drill]
  group_wait: 0s
  group_interval: 1s
inhibit_rules:
  - source_matchers: [severity="critical"]
    target_matchers: [severity="warning"]
    equal: [federation, model]
receivers:
  - name: hook
    webhook_configs:
      - url: {url}
        send_resolved: true
"""


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A receiver of posts on a free port of 127.0.0.1."""
    with receiving(answering("200 OK")) as kept:
        yield kept


@contextmanager
def running_alertmanager(tmp_path: Path, hook: str) -> Iterator[str]:
    """Alertmanager on a free port of 127.0.0.1, which tells a webhook; its address."""
    program = program_or_skip("prometheus-alertmanager", "prometheus-alertmanager")
    config = tmp_path / "alertmanager.yml"
    config.write_text(CONFIG.format(url=hook))
    address = f"127.0.0.1:{free_port()}"
    options = [
        f"--config.file={config}",
        f"--storage.path={tmp_path / 'alertmanager'}",
        f"--web.listen-address={address}",
        "--cluster.listen-address=",
    ]
    with (tmp_path / "alertmanager.log").open("wb") as log:
        process = subprocess.Popen([program, *options], stdout=log, stderr=log)
    try:
        wait_until_ready(f"http://{address}/-/ready", process)
        yield f"http://{address}"
    finally:
        process.terminate()
        process.wait(START_SECONDS)


def wait_until_ready(url: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if httpx.get(url).is_success:
                return
        except httpx.TransportError:
            time.sleep(0.05)
    raise TimeoutError("Alertmanager does not answer; see alertmanager.log.")


def active_alerts(url: str) -> list[dict[str, Any]]:
    alerts: list[dict[str, Any]] = httpx.get(f"{url}/api/v2/alerts?active=true").json()
    return alerts


def with_alertmanager(settings: Settings, url: str) -> Settings:
    changes = {"alertmanager_url": url, "public_url": "https://vigie.example.org/"}
    return settings.model_copy(update=changes)


def push(
    database: Database,
    federation: Federation,
    monkeypatch: pytest.MonkeyPatch,
    step: int = 23,
    **more: Any,
) -> None:
    with database.session_scope() as session:
        here = federations.get(session, federation.id)
        story = Story(session, here, monkeypatch)
        story.pushed = step  # rounds of several stories have different numbers
        story.references = {}
        reference_once(story)
        story.push(step, verdict(**more))


def reference_once(story: Story) -> None:
    found = story.session.exec(select(Reference)).first()
    if found is not None:
        story.references[found.version] = found


def add_channel(database: Database, federation: Federation, url: str) -> None:
    with database.session_scope() as session:
        here = federations.get(session, federation.id)
        channels.add(session, here, ChannelIn(name="on-call", url=url), "Ada", b"s" * 32)


def resolve(database: Database, federation: Federation) -> None:
    with database.session_scope() as session:
        here = federations.get(session, federation.id)
        (incident,) = service.list_of(session, here.id)
        service.resolve(session, here, incident.id, "Ada", Resolution.DATA_FAULT, "a broken feed")


def deliver(database: Database, settings: Settings) -> None:
    """What a worker does with the announcements and notices that wait."""
    spread = Local(lambda session, id_: notices.spread(session, id_, settings))
    attempt = External(
        lambda session, notice_id: delivery.prepare(session, notice_id, settings),
        lambda carrier: delivery.perform(carrier, settings),
        delivery.record,
    )
    run(database, ANNOUNCE_REQUEST, Local(notices.announce_request))
    run(database, ANNOUNCE, spread)
    run(database, DELIVER, attempt)


def run(database: Database, task: str, effect: Effect) -> None:
    with database.read_scope() as session:
        waiting = select(OutboxRow.id).where(OutboxRow.task == task)
        ids = session.exec(waiting.where(OutboxRow.state == OutboxState.PENDING)).all()
    for row_id in ids:
        effect.run(database, row_id)


def let_time_pass(database: Database) -> None:
    """Let the next attempt at what failed be due."""
    later = datetime.now(UTC) + timedelta(minutes=1)
    with clock.using(lambda: later), database.session_scope() as session:
        delivery.send_overdue(session)


def states(database: Database) -> dict[tuple[str, str], str]:
    with database.read_scope() as session:
        rows = session.exec(select(Notice)).all()
        assert all((row.sent_at is not None) == (row.state == "sent") for row in rows)
        return {(row.event, row.channel): row.state for row in rows}


def test_alertmanager_gets_an_alert_and_its_end(
    database: Database,
    settings: Settings,
    federation: Federation,
    receiver: Receiver,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings = with_alertmanager(settings, f"http://{receiver.host}/")
    push(database, federation, monkeypatch)
    deliver(database, settings)
    deliver(database, settings)
    (post,) = receiver.posts
    (alert,) = post.json
    with database.read_scope() as session:
        (incident,) = service.list_of(session, federation.id)
    assert post.path == "/api/v2/alerts"
    assert alert["labels"] == {
        "alertname": "VigieDrift",
        "federation": "flights",
        "model": MODEL,
        "family": "concept",
        "scope": "federation",
        "severity": "warning",
        "incident": str(incident.id),
    }
    home = "https://vigie.example.org/f/flights"
    assert alert["generatorURL"] == f"{home}/incidents/{incident.id}"
    assert "Drift in label:late since step 23" in alert["annotations"]["summary"]
    assert alert["annotations"]["runbook_url"].endswith("/runbooks/concept.md")
    assert alert["annotations"]["report_url"] == f"{home}/incidents/{incident.id}/report"
    assert datetime.fromisoformat(alert["startsAt"]) == incident.opened_at
    assert "endsAt" not in alert
    resolve(database, federation)
    deliver(database, settings)
    (ended,) = receiver.posts[-1].json
    assert ended["labels"] == alert["labels"]
    assert datetime.fromisoformat(ended["endsAt"]) <= datetime.now(UTC)
    assert set(states(database).values()) == {"sent"}


def test_a_receiver_that_fails_is_tried_again(
    database: Database,
    settings: Settings,
    federation: Federation,
    receiver: Receiver,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings = with_alertmanager(settings, f"http://{receiver.host}")
    add_channel(database, federation, f"json://{receiver.host}/hook")
    push(database, federation, monkeypatch)
    receiver.answer = answering("503 Service Unavailable")
    deliver(database, settings)
    assert states(database) == {
        ("opened", "log"): "sent",
        ("opened", "alertmanager"): "pending",
        ("opened", "on-call"): "pending",
    }
    with database.read_scope() as session:
        depth = outbox.depth(session)
    assert (depth["pending"], depth["failed"]) == (0, 0)  # what waits for a receiver fills no queue
    receiver.answer = answering("200 OK")
    let_time_pass(database)
    deliver(database, settings)
    assert set(states(database).values()) == {"sent"}


def test_apprise_gets_title_text_and_link(
    database: Database,
    settings: Settings,
    federation: Federation,
    receiver: Receiver,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    add_channel(database, federation, f"json://{receiver.host}/hook")
    push(database, federation, monkeypatch)
    deliver(database, settings)
    (post,) = receiver.posts
    assert post.path.rstrip("/") == "/hook"
    assert post.json["title"] == "flights: [warning] Drift in label:late since step 23"
    assert "+0.08 probability" in post.json["message"]
    assert f"{settings.public_url}/f/flights/incidents/" in post.json["message"]
    assert post.json["type"] == "warning"
    resolve(database, federation)
    deliver(database, settings)
    assert receiver.posts[-1].json["type"] == "success"
    assert "resolved: data_fault" in receiver.posts[-1].json["title"]


def test_an_e_mail_arrives_whole(
    database: Database,
    settings: Settings,
    federation: Federation,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with taking_mail() as (port, mails):
        where = f"mailto://127.0.0.1:{port}?from=vigie@example.org&to=ada@example.org&format=text"
        add_channel(database, federation, where)
        push(database, federation, monkeypatch)
        deliver(database, settings)
    (mail,) = mails
    message = email.message_from_string(mail.text, policy=policy.default)
    body = message.get_body(("plain",))
    assert mail.to == "ada@example.org"
    assert message["subject"] == "flights: [warning] Drift in label:late since step 23"
    assert body is not None
    assert "Next: " in body.get_content()
    assert "/runbooks/concept.md" in body.get_content()
    assert states(database)["opened", "on-call"] == "sent"


def test_an_address_does_not_show_in_what_is_kept(
    database: Database,
    settings: Settings,
    federation: Federation,
    receiver: Receiver,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    receiver.answer = answering("500 Internal Server Error")
    add_channel(database, federation, f"json://user:hush@{receiver.host}/hook")
    push(database, federation, monkeypatch)
    deliver(database, settings)
    let_time_pass(database)
    with database.read_scope() as session:
        notice = session.exec(select(Notice).where(Notice.channel == "on-call")).one()
        carrier = delivery.prepare(session, notice.id, settings)
    assert carrier is not None
    assert "hush" not in repr(carrier)
    assert notice.last_error
    assert "hush" not in notice.last_error


def test_no_alerts_are_no_request() -> None:
    post_alerts("http://127.0.0.1:9", [], LIMITS)


def told(receiver: Receiver) -> list[tuple[str, str, str]]:
    """Name, severity and status of every alert that Alertmanager told of, in order."""
    return [
        (alert["labels"]["alertname"], alert["labels"]["severity"], alert["status"])
        for post in receiver.posts
        for alert in post.json["alerts"]
    ]


def test_alertmanager_itself_tells_repeats_nothing_and_ends(
    tmp_path: Path,
    database: Database,
    settings: Settings,
    federation: Federation,
    receiver: Receiver,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with running_alertmanager(tmp_path, receiver.url) as url:
        settings = with_alertmanager(settings, url)
        push(database, federation, monkeypatch)
        deliver(database, settings)
        (first,) = active_alerts(url)
        wait_for("the alert behind Alertmanager", lambda: len(receiver.posts) == 1)
        repeat(database, settings, url)
        (again,) = active_alerts(url)
        assert again["fingerprint"] == first["fingerprint"]
        assert datetime.fromisoformat(again["endsAt"]) >= datetime.now(UTC) + timedelta(minutes=4)
        resolve(database, federation)
        deliver(database, settings)
        assert active_alerts(url) == []
        wait_for("the end behind Alertmanager", lambda: len(receiver.posts) == 2)
    firing, ended = ("VigieDrift", "warning", "firing"), ("VigieDrift", "warning", "resolved")
    assert told(receiver) == [firing, ended]


def test_alertmanager_itself_has_one_alert_of_an_incident_that_became_worse(
    tmp_path: Path,
    database: Database,
    settings: Settings,
    federation: Federation,
    receiver: Receiver,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with running_alertmanager(tmp_path, receiver.url) as url:
        settings = with_alertmanager(settings, url)
        push(database, federation, monkeypatch)
        deliver(database, settings)
        push(database, federation, monkeypatch, 24, effect=0.3)
        deliver(database, settings)
        repeat(database, settings, url)
        (alert,) = active_alerts(url)
        assert alert["labels"]["severity"] == "critical"
        resolve(database, federation)
        deliver(database, settings)
        assert active_alerts(url) == []


def test_a_drill_goes_through_alertmanager_and_says_so(
    tmp_path: Path,
    database: Database,
    settings: Settings,
    federation: Federation,
    receiver: Receiver,
) -> None:
    with running_alertmanager(tmp_path, receiver.url) as url:
        with database.session_scope() as session:
            here = federations.get(session, federation.id)
            drills.start(session, here, Severity.CRITICAL, "Ada")
        deliver(database, with_alertmanager(settings, url))
        wait_for("the drill behind Alertmanager", lambda: bool(receiver.posts))
    (alert,) = receiver.posts[0].json["alerts"]
    assert alert["labels"]["alertname"] == "VigieDrill"
    assert alert["annotations"]["summary"].startswith("[DRILL]")


def repeat(database: Database, settings: Settings, url: str) -> None:
    with database.read_scope() as session:
        alerts = delivery.unresolved_alerts(session, settings)
    post_alerts(url, alerts, LIMITS)
