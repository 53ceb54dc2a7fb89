"""A worker killed with -9 while it delivers: every message arrives, and few arrive twice."""

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlmodel import func, select

from app.core.database import Database
from app.core.settings import Settings
from app.federations import service as federations
from app.federations.tables import Federation
from app.incidents import webhooks
from app.incidents.delivery_schemas import WebhookIn
from app.incidents.states import WebhookEvent
from app.incidents.tables import Notice
from tests.integration.polling import wait_for
from tests.integration.receivers import (
    START_SECONDS,
    STOP_SECONDS,
    Receiver,
    answering,
    opened_incident,
    receiving,
)

KILLS, ALERTS_A_LIFE, SEED = 4, 20, 20261121

pytestmark = pytest.mark.timeout(600)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving(answering("204 No Content")) as kept:
        yield kept


def start(name: str, settings: Settings, folder: Path) -> subprocess.Popen[bytes]:
    told = {
        **os.environ,
        "VIGIE_DATA_DIR": str(settings.data_dir),
        "VIGIE_SECRET": "s" * 32,
        "VIGIE_SWEEP_SECONDS": "0.2",
        "VIGIE_RESEND_SECONDS": "2",
        "VIGIE_DELIVERY_SECONDS": "1",
        "VIGIE_WEBHOOK_PRIVATE_ADDRESSES": "true",
    }
    with (folder / f"{name}.log").open("ab") as log:
        command = [sys.executable, "-m", "app", name]
        return subprocess.Popen(command, env=told, stdout=log, stderr=log)


def test_nothing_is_lost_and_little_is_told_twice(
    tmp_path: Path,
    settings: Settings,
    database: Database,
    federation: Federation,
    receiver: Receiver,
) -> None:
    with database.session_scope() as session:
        here = federations.get(session, federation.id)
        allowed = settings.model_copy(update={"webhook_private_addresses": True})
        body = WebhookIn(name="hook", url=receiver.url, events=[WebhookEvent.OPENED])
        webhooks.add(session, here, body, "Ada", allowed)
    chance = random.Random(SEED)
    beat = start("beat", settings, tmp_path)
    try:
        for life in range(KILLS + 1):
            worker = start("worker", settings, tmp_path)
            before = len(receiver.posts)
            for number in range(ALERTS_A_LIFE):
                with database.session_scope() as session:
                    opened_incident(session, federation, life * ALERTS_A_LIFE + number)
            wait_for("a delivery of this life", lambda: len(receiver.posts) > before, START_SECONDS)  # noqa: B023
            if life < KILLS:
                time.sleep(chance.uniform(0, 0.3))
                worker.send_signal(signal.SIGKILL)
                worker.wait()
        wait_for("every message", lambda: len(arrived(receiver)) == sent(database), 60)
    finally:
        for process in (worker, beat):
            process.terminate()
            process.wait(STOP_SECONDS)
    twice = sum(arrived(receiver).values()) - len(arrived(receiver))
    print(f"{KILLS} kills, {len(arrived(receiver))} messages, {twice} told twice")
    # A kill can catch one attempt for each receiver between its end and the note of it.
    assert twice <= KILLS


def arrived(receiver: Receiver) -> Counter[str]:
    return Counter(post.headers["webhook-id"] for post in list(receiver.posts))


def sent(database: Database) -> int:
    """All that there is to send; each was, when as many arrived."""
    with database.read_scope() as session:
        query = select(func.count()).where(Notice.channel == "webhook:hook")
        return max(session.exec(query).one(), (KILLS + 1) * ALERTS_A_LIFE)
