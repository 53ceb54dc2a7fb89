"""A worker killed with -9 at any moment loses nothing and repeats nothing.

The control does the same work with the outbox off, and loses some: so losses would be seen.
"""

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import pytest
import redis
from celery import Celery
from sqlmodel import func, select

from app.audit import service as audit
from app.audit.tables import AuditEntry
from app.core import outbox
from app.core.database import Database
from app.core.ids import new_id
from app.core.settings import Settings
from tests.integration.polling import wait_for
from tests.integration.tally_worker import TALLY, TALLY_UNKEPT
from tests.servers import running_redis
from workers.app import create_celery
from workers.schedule import SWEEP

KILLS, KILLS_AT_WORK = 25, 20
ROWS_A_LIFE, LONGEST_LIFE_SECONDS, SEED = 20, 0.1, 20131121
SWEEP_SECONDS, RESEND_SECONDS = 0.1, 0.5
DRAIN_SECONDS = 25.0

pytestmark = pytest.mark.timeout(180)


class Nursery:
    """The process that forks workers, one at a time."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.worker = 0

    def start(self) -> None:
        self.worker = self._ask("start")

    def end(self, number: signal.Signals) -> int:
        """Send the worker's process group a signal; return how it ended."""
        os.killpg(self.worker, number)
        return self._ask("wait")

    def _ask(self, command: str) -> int:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{command}\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())


@dataclass
class Trial:
    """Work done by workers that get killed: who does it, and what came of it."""

    database: Database
    celery: Celery
    nursery: Nursery
    swept_at: float = 0.0

    def tallies(self) -> Counter[str]:
        """How often each subject was tallied."""
        with self.database.read_scope() as session:
            query = select(AuditEntry.entity).where(AuditEntry.action == TALLY)
            return Counter(session.exec(query).all())

    def count(self) -> int:
        with self.database.read_scope() as session:
            query = select(func.count()).where(AuditEntry.action == TALLY)
            return session.exec(query).one()

    def depth(self) -> dict[str, int]:
        with self.database.read_scope() as session:
            return outbox.depth(session)

    def sweep(self) -> None:
        """Ask for the sweep as often as beat would."""
        if time.monotonic() - self.swept_at >= SWEEP_SECONDS:
            self.celery.send_task(SWEEP, expires=2 * SWEEP_SECONDS + 1)
            self.swept_at = time.monotonic()

    def until(self, what: str, seen: Callable[[], bool]) -> None:
        """Sweep until something is seen."""

        def swept_and_seen() -> bool:
            self.sweep()
            return seen()

        wait_for(what, swept_and_seen, DRAIN_SECONDS)

    def kill_one(self, life_seconds: float) -> None:
        """Start a worker and kill it that long after it began to make progress."""
        before = self.count()
        self.nursery.start()
        self.until("a worker's first tally", lambda: self.count() > before)
        time.sleep(life_seconds)
        assert self.nursery.end(signal.SIGKILL) == -signal.SIGKILL


@pytest.fixture(params=["files", pytest.param("redis", marks=pytest.mark.redis)])
def config(
    request: pytest.FixtureRequest, settings: Settings, tmp_path: Path
) -> Iterator[Settings]:
    """The settings of the service on either broker."""
    quick = settings.model_copy(update={"resend_seconds": RESEND_SECONDS})
    if request.param == "files":
        yield quick
        return
    with running_redis(tmp_path) as address:
        yield quick.model_copy(update={"broker_url": address})


@pytest.fixture
def trial(config: Settings, database: Database) -> Iterator[Trial]:
    celery = create_celery(config)
    with nursery(config) as ready:
        yield Trial(database, celery, ready)
    celery.close()


@contextmanager
def nursery(config: Settings) -> Iterator[Nursery]:
    """A nursery whose log is in the data folder; whatever it started ends with the block."""
    command = [sys.executable, "-m", "tests.integration.tally_worker"]
    with (
        (config.data_dir / "worker.log").open("wb") as log,
        subprocess.Popen(
            command,
            env=os.environ | environment(config),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        ) as process,
    ):
        yield Nursery(process)


def environment(config: Settings) -> dict[str, str]:
    """What a worker reads these settings from."""
    assert config.secret is not None
    return {
        "VIGIE_DATA_DIR": str(config.data_dir),
        "VIGIE_BROKER_URL": config.broker_url or "",
        "VIGIE_SECRET": config.secret.get_secret_value(),
        "VIGIE_RESEND_SECONDS": str(config.resend_seconds),
    }


def test_a_killed_worker_loses_nothing_and_repeats_nothing(trial: Trial) -> None:
    moments, asked, kills_at_work = random.Random(SEED), [], 0
    for _ in range(KILLS):
        asked += enqueue(trial.database, ROWS_A_LIFE)
        trial.kill_one(moments.uniform(0, LONGEST_LIFE_SECONDS))
        kills_at_work += trial.depth()["pending"] > 0
    assert kills_at_work >= KILLS_AT_WORK
    trial.nursery.start()
    trial.until("no row waits", lambda: trial.depth()["pending"] == 0)
    assert trial.nursery.end(signal.SIGTERM) == 0
    assert trial.tallies() == Counter(asked)
    assert trial.depth() == {"pending": 0, "done": len(asked), "failed": 0}
    with trial.database.read_scope() as session:
        audit.verify(session)


def test_without_the_outbox_a_killed_worker_loses_work(trial: Trial, config: Settings) -> None:
    moments, published = random.Random(SEED), []
    for _ in range(KILLS):
        published += publish(trial.celery, ROWS_A_LIFE)
        trial.kill_one(moments.uniform(0, LONGEST_LIFE_SECONDS))
    (last,) = publish(trial.celery, 1)
    trial.nursery.start()
    trial.until("the last message is done", lambda: last in trial.tallies())
    assert trial.nursery.end(signal.SIGTERM) == 0
    kept = messages_for_later(config)
    assert len(trial.tallies()) + kept < len(published) + 1


def enqueue(database: Database, count: int) -> list[str]:
    """Ask for that many tallies; their entities."""
    subjects = [new_id() for _ in range(count)]
    with database.session_scope() as session:
        for subject in subjects:
            outbox.enqueue(session, TALLY, subject)
    return [entity(subject) for subject in subjects]


def publish(celery: Celery, count: int) -> list[str]:
    """Publish that many tallies with no outbox row behind them; their entities."""
    subjects = [new_id() for _ in range(count)]
    for subject in subjects:
        celery.send_task(TALLY_UNKEPT, args=[str(subject)])
    return [entity(subject) for subject in subjects]


def entity(subject: UUID) -> str:
    return f"subject:{subject}"


def messages_for_later(config: Settings) -> int:
    """Messages that Redis would hand out again after its visibility timeout; files never are."""
    if config.broker_url is None:
        return 0
    with redis.Redis.from_url(config.broker_url) as client:
        return int(client.hlen("unacked"))
