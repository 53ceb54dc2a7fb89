"""How long each page of the console takes, on the embedded profile with a long history.

`python -m benchmarks.console --json`. A federation of 200 clients is pushed and judged through the
API for 16 rounds; copies of its judged rounds, made by SQL, bring them to 500. A page's time is the
median of five requests of one person, and may be 300 ms at most.
"""

import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any
from uuid import UUID, uuid4

from fastapi.testclient import TestClient
from sqlalchemy import Connection, Table, select
from sqlmodel import SQLModel

from app.core.database import Database
from app.federations.roles import Role
from app.main import create_app
from app.rounds.tables import Round
from benchmarks.harness import Case, Row, at_most, main
from tests.unit.console import world as small
from tests.unit.console.world import MODEL, World, settings_in

CLIENTS, ROUNDS, REPEATS, LIMIT_MS = 200, 500, 5, 300.0
SEEN_BY = {"audit": Role.AUDITOR, "members": Role.ADMIN}
MORE = {
    "overview": "/",
    "account": "/account",
    "card": f"/f/flights/models/{MODEL}/versions/1/card",
    "audit": "/f/flights/audit",
    "members": "/f/flights/members",
    "proposals": "/f/flights/proposals",
}


@contextmanager
def history() -> Iterator[tuple[World, Database]]:
    """The federation with its long history, in a folder that is thrown away."""
    with tempfile.TemporaryDirectory(prefix="vigie-console-") as folder:
        small.CARRIERS = CLIENTS
        world = small.build(Path(folder))
        database = Database(settings_in(Path(folder)).database)
        _lengthen(database)
        yield world, database
        database.dispose()


def _lengthen(database: Database) -> None:
    """Copy the judged rounds in front of the story until there are enough of them."""
    with database.engine.begin() as connection:
        first = SQLModel.metadata.tables[Round.__tablename__]
        stored = [dict(row) for row in connection.execute(select(first)).mappings()]
        judged = [row for row in stored if row["phase"] == "evaluate"]
        for number in range(ROUNDS - len(stored)):
            row = judged[number % len(judged)]
            _copy(connection, row, number - ROUNDS)


def _copy(connection: Connection, row: Mapping[str, Any], step: int) -> None:
    """One more round, with all that hangs on it, at another step."""
    new: dict[UUID, UUID] = {row["id"]: uuid4()}
    changed = {"id": new[row["id"]], "number": step + 10_000, "global_step": step}
    rounds = SQLModel.metadata.tables[Round.__tablename__]
    connection.execute(rounds.insert(), {**row, "run": "before", **changed})
    for table in SQLModel.metadata.sorted_tables:
        if table.name in COPIED:
            _copy_children(connection, table, row["id"], new, step)


COPIED = ("report_blocks", "round_aggregates", "evaluations", "verdicts", "round_subjects")


def _copy_children(
    connection: Connection, table: Table, old: UUID, new: dict[UUID, UUID], step: int
) -> None:
    found = connection.execute(select(table).where(table.c.round_id == old)).mappings().all()
    rows = [dict(one) for one in found]
    for one in rows:
        if "id" in one:
            new[one["id"]] = uuid4()
        one |= {name: new[value] for name, value in one.items() if _known(value, new)}
        if "global_step" in one:
            one["global_step"] = step
    if rows:
        connection.execute(table.insert(), rows)


def _known(value: object, new: Mapping[UUID, UUID]) -> bool:
    return isinstance(value, UUID) and value in new


def pages() -> Iterator[Row]:
    """The time of every page."""
    with history() as (world, database):
        app = create_app(settings_in(world.path))
        app.state.database = database
        for name, path in {**MORE, **world.pages}.items():
            browser = TestClient(app)
            role = SEEN_BY.get(name, Role.VALIDATOR)
            browser.post("/login", data={"key": world.keys[role], "after": "/"})
            yield at_most(f"{name} page", _milliseconds(browser, path), LIMIT_MS, "ms")


def _milliseconds(browser: TestClient, path: str) -> float:
    times = []
    for _ in range(REPEATS + 1):
        start = time.perf_counter()
        answer = browser.get(path)
        times.append((time.perf_counter() - start) * 1e3)
        assert answer.status_code == 200, answer.text  # noqa: PLR2004 - OK
    return median(times[1:])


if __name__ == "__main__":
    main("console", [Case("pages", pages)])
