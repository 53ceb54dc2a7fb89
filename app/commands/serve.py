"""`vigie up` and the three processes it keeps alive."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from app.core import logging
from app.core.database import Database
from app.core.garbage import collected_seldom, uncollected
from app.core.settings import Settings, settings
from app.core.supervisor import Child, Supervisor

ADMIN_KEY_FILE = "admin-key"
TIDY_SECONDS = 10.0  # beyond what a worker gives to deliveries that are under way


def up(
    workers: Annotated[int, typer.Option(min=1, help="Worker processes.")] = 1,
) -> None:
    """Start the whole service here: API, worker and beat. Stop it with Ctrl-C.

    The first start makes a data folder (VIGIE_DATA_DIR, ./vigie-data by default) with its own
    secret and an admin key in the file `admin-key`, readable by you alone.
    """
    config = settings()
    logging.configure(config)
    prepare(config)
    names = ["api", "beat", *(f"worker-{number}" for number in range(1, workers + 1))]
    children = [Child(name, _command(name.split("-")[0])) for name in names]
    typer.echo(f"Vigie listens on http://{config.host}:{config.port} (Ctrl-C stops it).")
    Supervisor(children, config.delivery_seconds + TIDY_SECONDS).run()


def prepare(config: Settings) -> None:
    """Make the data folder ready: schema, secret, first admin's key."""
    from app.core import migrations  # noqa: PLC0415 - Alembic, only for this
    from app.federations import service  # noqa: PLC0415 - after the schema is there

    config.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    database = Database(config.database)
    migrations.upgrade(database)
    with database.session_scope() as session:
        key = service.bootstrap_admin(session, config.secret_key)
        if key is not None:
            _write_private(config.data_dir / ADMIN_KEY_FILE, key)
            typer.echo(f"The admin's API key is in {config.data_dir / ADMIN_KEY_FILE}.")
    database.dispose()


def api() -> None:
    """Run the API alone (`vigie up` runs everything)."""
    import uvicorn  # noqa: PLC0415 - only for this

    config = settings()
    serving = uvicorn.Config(
        "workers.api:create_app",
        factory=True,
        host=config.host,
        port=config.port,
        log_config=None,
        access_log=False,
        server_header=False,
    )
    with uncollected():
        serving.load()
    with collected_seldom():
        uvicorn.Server(serving).run()


def worker(
    queues: Annotated[
        list[str] | None,
        typer.Option("--queue", help="Serve this queue only: evaluation, reports. Repeatable."),
    ] = None,
) -> None:
    """Run a worker alone: it does what outbox rows ask for, evaluation before reports."""
    from workers.app import app  # noqa: PLC0415 - Celery, only for this
    from workers.queues import OF_WORK, served  # noqa: PLC0415 - likewise

    if set(queues or ()) - set(OF_WORK):
        raise typer.BadParameter(f"the queues are {', '.join(OF_WORK)}", param_hint="--queue")
    quiet = ("--without-gossip", "--without-mingle", "--without-heartbeat")
    named = f"--queues={','.join(served(queues or OF_WORK))}"
    with uncollected():
        app.loader.import_default_modules()
    with collected_seldom():
        app.worker_main(["worker", "--pool=threads", *quiet, named])


def beat() -> None:
    """Run the beat alone: it asks for the sweep and other periodic work."""
    from workers.app import app  # noqa: PLC0415 - Celery, only for this

    app.conf.include = ()  # it sends tasks by name, and need not read what they do
    app.start(["beat", "--pidfile="])


def _command(name: str) -> list[str]:
    return [sys.executable, "-m", "app", name]


def _write_private(path: Path, text: str) -> None:
    path.touch(mode=0o600, exist_ok=True)
    path.write_text(text + "\n")
