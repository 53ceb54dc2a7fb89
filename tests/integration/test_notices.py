"""Notices on real wires: Apprise and Alertmanager's v2 API, against servers on this machine."""

import json
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlmodel import select

from app.core import outbox
from app.core.database import Database
from app.core.outbox import OutboxRow, OutboxState
from app.core.settings import Settings
from app.federations import service as federations
from app.federations.tables import Federation
from app.incidents import channels, delivery, notices, service
from app.incidents.alertmanager import post_alerts
from app.incidents.notices import DELIVER
from app.incidents.schemas import ChannelIn
from app.incidents.states import Resolution
from app.incidents.tables import Notice
from tests.servers import free_port, program_or_skip
from tests.unit.incidents.stories import MODEL, Story, verdict
from workers.effects import External

# Apprise imports what Python is about to drop, where it is still there.

START_SECONDS = 20.0


@dataclass
class Receiver:
    """An HTTP server that keeps what is posted to it, and answers as it is told."""

    status: int = 200
    posts: list[tuple[str, Any]] = field(default_factory=list)
    url: str = ""


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A receiver on a free port of 127.0.0.1."""
    kept = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            kept.posts.append((self.path, json.loads(body)))
            self.send_response(kept.status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *args: Any) -> None:
            """Not to the terminal."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    kept.url = f"127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield kept
    server.shutdown()
    thread.join()
    server.server_close()


@contextmanager
def running_alertmanager(tmp_path: Path) -> Iterator[str]:
    """Alertmanager on a free port of 127.0.0.1; its address."""
    program = program_or_skip("prometheus-alertmanager", "prometheus-alertmanager")
    config = tmp_path / "alertmanager.yml"
    config.write_text("route: {receiver: nobody}\nreceivers: [{name: nobody}]\n")
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


def with_alertmanager(settings: Settings, url: str, monkeypatch: pytest.MonkeyPatch) -> Settings:
    changed = settings.model_copy(
        update={"alertmanager_url": url, "public_url": "https://vigie.example.org/"}
    )
    monkeypatch.setattr(notices, "settings", lambda: changed)
    return changed


def open_incident(
    database: Database,
    federation: Federation,
    monkeypatch: pytest.MonkeyPatch,
    channel: str | None = None,
) -> None:
    with database.session_scope() as session:
        here = federations.get(session, federation.id)
        if channel is not None:
            channels.add(session, here, ChannelIn(name="on-call", url=channel), "Ada")
        Story(session, here, monkeypatch).push(23, verdict())


def resolve(database: Database, federation: Federation) -> None:
    with database.session_scope() as session:
        here = federations.get(session, federation.id)
        (incident,) = service.list_of(session, here.id)
        service.resolve(session, here, incident.id, "Ada", Resolution.DATA_FAULT, "a broken feed")


def deliver(database: Database, settings: Settings) -> None:
    """What a worker does with the notices that wait."""
    effect = External(
        lambda session, notice_id: delivery.prepare(session, notice_id, settings),
        lambda message: delivery.perform(message, settings),
        delivery.record,
    )
    with database.read_scope() as session:
        waiting = select(OutboxRow.id).where(OutboxRow.task == DELIVER)
        ids = session.exec(waiting.where(OutboxRow.state == OutboxState.PENDING)).all()
    for row_id in ids:
        effect.run(database, row_id)


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
    settings = with_alertmanager(settings, f"http://{receiver.url}/", monkeypatch)
    open_incident(database, federation, monkeypatch)
    deliver(database, settings)
    deliver(database, settings)
    ((path, (alert,)),) = receiver.posts
    with database.read_scope() as session:
        (incident,) = service.list_of(session, federation.id)
    assert path == "/api/v2/alerts"
    assert alert["labels"] == {
        "alertname": "VigieDrift",
        "federation": "flights",
        "model": MODEL,
        "family": "concept",
        "scope": "federation",
        "severity": "warning",
        "incident": str(incident.id),
    }
    assert alert["generatorURL"] == (f"https://vigie.example.org/f/flights/incidents/{incident.id}")
    assert "Drift in label:late since step 23" in alert["annotations"]["summary"]
    assert "acknowledge, silence or resolve" in alert["annotations"]["description"]
    assert datetime.fromisoformat(alert["startsAt"]) == incident.opened_at
    assert "endsAt" not in alert
    resolve(database, federation)
    deliver(database, settings)
    (ended,) = receiver.posts[-1][1]
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
    settings = with_alertmanager(settings, f"http://{receiver.url}", monkeypatch)
    open_incident(database, federation, monkeypatch, f"json://{receiver.url}/hook")
    receiver.status = 503
    deliver(database, settings)
    assert states(database) == {
        ("opened", "log"): "sent",
        ("opened", "alertmanager"): "pending",
        ("opened", "on-call"): "pending",
    }
    with database.read_scope() as session:
        assert outbox.depth(session)["failed"] == 0
    receiver.status = 200
    deliver(database, settings)
    assert set(states(database).values()) == {"sent"}


def test_apprise_gets_title_text_and_link(
    database: Database,
    settings: Settings,
    federation: Federation,
    receiver: Receiver,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    open_incident(database, federation, monkeypatch, f"json://{receiver.url}/hook")
    deliver(database, settings)
    ((path, body),) = receiver.posts
    assert path.rstrip("/") == "/hook"
    assert body["title"] == "flights: [warning] Drift in label:late since step 23"
    assert "+0.08 probability" in body["message"]
    assert f"{settings.public_url}/f/flights/incidents/" in body["message"]
    assert body["type"] == "warning"
    resolve(database, federation)
    deliver(database, settings)
    assert receiver.posts[-1][1]["type"] == "success"
    assert "resolved: data_fault" in receiver.posts[-1][1]["title"]


def test_an_address_does_not_show_in_what_is_logged(
    database: Database,
    settings: Settings,
    federation: Federation,
    receiver: Receiver,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    receiver.status = 500
    open_incident(database, federation, monkeypatch, f"json://user:hush@{receiver.url}/hook")
    deliver(database, settings)
    with database.read_scope() as session:
        notice = session.exec(select(Notice).where(Notice.channel == "on-call")).one()
        message = delivery.prepare(session, notice.id, settings)
        errors = [row.last_error or "" for row in session.exec(select(OutboxRow))]
    assert "hush" not in repr(message)
    assert any(errors)
    assert not any("hush" in error for error in errors)


def test_no_alerts_are_no_request() -> None:
    post_alerts("http://127.0.0.1:9", [])


def test_alertmanager_itself_takes_repeats_and_ends_alerts(
    tmp_path: Path,
    database: Database,
    settings: Settings,
    federation: Federation,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with running_alertmanager(tmp_path) as url:
        settings = with_alertmanager(settings, url, monkeypatch)
        open_incident(database, federation, monkeypatch)
        deliver(database, settings)
        (first,) = active_alerts(url)
        assert first["labels"]["alertname"] == "VigieDrift"
        with database.read_scope() as session:
            alerts = delivery.unresolved_alerts(session, settings)
        post_alerts(url, alerts)
        (again,) = active_alerts(url)
        assert again["fingerprint"] == first["fingerprint"]
        assert datetime.fromisoformat(again["endsAt"]) >= datetime.now(UTC) + timedelta(minutes=4)
        resolve(database, federation)
        deliver(database, settings)
        assert active_alerts(url) == []
