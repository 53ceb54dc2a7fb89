"""A nursery of workers to be killed: it imports once, then forks one real worker after another.

Run as `python -m tests.integration.tally_worker` with `VIGIE_*` set. It reads commands, one a line,
and answers each with a number: `start` forks a worker that does what `vigie worker` does and gives
its pid; `wait` gives how it ended, as `Popen.returncode` would. At the end of its input it kills
what is left, so no worker outlives the test, however that ends.
"""

import os
import signal
import sys
from importlib import import_module
from uuid import UUID

from sqlmodel import Session

from app.audit import service as audit
from app.commands import serve
from app.core.database import Database, database
from app.core.outbox import Delivery
from app.core.settings import settings
from workers.app import app
from workers.effects import Local
from workers.relay import relay_due
from workers.schedule import SWEEP

TALLY, TALLY_UNKEPT = "test.tally", "test.tally_unkept"
# What Celery imports only as a worker starts; imported before the fork, once for all workers.
IMPORTED_LATE = (
    "celery.bin.celery",
    "celery.apps.worker",
    "celery.concurrency.thread",
    "kombu.transport.redis",
)
EFFECT_STEPS = 20_000  # a few milliseconds of work inside the transaction


def tally(session: Session, subject: UUID) -> None:
    """An effect that shows if it happens twice, with time to be killed before and after."""
    _work()
    audit.record(session, actor="test", action=TALLY, entity=f"subject:{subject}")
    _work()


def _work() -> None:
    sum(number * number for number in range(EFFECT_STEPS))


def _database() -> Database:
    return database(settings().database)


def _sweep() -> None:
    relay_due(_database(), _publish, settings().resend_seconds)


def _publish(delivery: Delivery) -> None:
    app.send_task(delivery.task, args=[str(delivery.row_id)])


def _tally(row_id: str) -> None:
    Local(tally).run(_database(), UUID(row_id))


def _tally_unkept(subject: str) -> None:
    """The control: the same effect for a message that nothing but the broker keeps."""
    with _database().session_scope() as session:
        tally(session, UUID(subject))


def _register() -> None:
    """Give the Celery application these tasks alone, without the service's own."""
    app.conf.include = ()
    for name, work in ((SWEEP, _sweep), (TALLY, _tally), (TALLY_UNKEPT, _tally_unkept)):
        app.task(name=name)(work)


def _start() -> int:
    pid = os.fork()
    if pid:
        return pid
    os.setsid()
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # the nursery's answers stay its own
    try:
        serve.worker()
    finally:
        os._exit(0)


def _wait(pid: int) -> int:
    _, status = os.waitpid(pid, 0)
    return os.waitstatus_to_exitcode(status)


def main() -> None:
    """Serve commands until there are no more."""
    for name in IMPORTED_LATE:
        import_module(name)
    _register()
    pid = 0
    for command in sys.stdin:
        if command.strip() == "start":
            answer = pid = _start()
        else:
            answer, pid = _wait(pid), 0
        print(answer, flush=True)
    if pid:
        os.killpg(pid, signal.SIGKILL)
        _wait(pid)


if __name__ == "__main__":
    main()
