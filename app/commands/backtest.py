"""`vigie backtest` and `vigie replay`: stored rounds played once more, on the machine itself."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TaskProgressColumn, TextColumn

from app.commands.connection import fail
from app.core import clock
from app.core.database import Database
from app.core.errors import DomainError
from app.core.settings import settings
from app.federations.policy.yaml_text import PolicyTextError, read

if TYPE_CHECKING:
    from app.incidents.tables import Incident

MISMATCH = 3
UNITS = {"d": "days", "h": "hours", "w": "weeks"}

Name = Annotated[str, typer.Option("--federation", "-f", envvar="VIGIE_FEDERATION", help="Which.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, for other programs.")]


def backtest(
    federation: Name,
    policy: Annotated[Path, typer.Option(help="The policy to try, as YAML or JSON.")],
    since: Annotated[
        str, typer.Option("--from", help="How far back incidents are compared: 30d, 12h, 8w.")
    ] = "30d",
    as_json: Json = False,
) -> None:
    """Say which incidents a policy would have opened, and which it would have spared.

    Nothing is changed: stored rounds are played in a database that is thrown away. For example:

        VIGIE_DATA_DIR=./vigie-data vigie backtest -f flights --policy new.yaml --from 90d
    """
    from app.incidents import replaying  # noqa: PLC0415 - the detectors, only when used

    try:
        _, tried = read(policy.read_bytes())
    except (OSError, PolicyTextError) as error:
        fail(str(error))
    start = clock.now() - _span(since)
    with _database() as database, _bar("Playing rounds") as step:
        found = replaying.backtest(database, federation, tried, start, step)
    groups = {
        "would open": found.opened,
        "would spare": found.spared,
        "opened by both": found.same,
    }
    if as_json:
        told = {name: [_line(one) for one in group] for name, group in groups.items()}
        typer.echo(json.dumps({"rounds": found.rounds, **told}))
        return
    for name, group in groups.items():
        typer.echo(f"{name}: {len(group)}")
        for one in group:
            typer.echo(f"  step {one.opened_step}: {one.severity} {one.title}")


def replay(federation: Name, as_json: Json = False) -> None:
    """Judge all stored rounds once more, and say whether every verdict is the same to the last bit.

    Exits with 3 if one is not. For example:

        VIGIE_DATA_DIR=./vigie-data vigie replay -f flights
    """
    from app.incidents import replaying  # noqa: PLC0415 - the detectors, only when used

    with _database() as database, _bar("Judging rounds") as step:
        found = replaying.replay(database, federation, step)
    lines = [
        {"step": one.step, "subject": one.subject, "scope": one.scope, "detector": one.detector}
        for one in found.mismatches
    ]
    if as_json:
        told = {"rounds": found.rounds, "verdicts": found.verdicts, "mismatches": lines}
        typer.echo(json.dumps(told))
    else:
        typer.echo(f"{found.rounds} rounds, {found.verdicts} verdicts, {len(lines)} differ.")
        for line in lines[:20]:
            typer.echo("  " + ", ".join(f"{name} {value}" for name, value in line.items()))
    if lines:
        raise typer.Exit(MISMATCH)


def _line(incident: "Incident") -> dict[str, object]:
    return {
        "opened_step": incident.opened_step,
        "opened_at": incident.opened_at.isoformat(),
        "severity": incident.severity,
        "cause": incident.cause,
        "title": incident.title,
        "resolution": incident.resolution,
    }


def _span(text: str) -> timedelta:
    number, unit = text[:-1], UNITS.get(text[-1:])
    if unit is None or not number.isdigit() or len(number) > 5:  # noqa: PLR2004 - centuries
        raise typer.BadParameter("a span is a number with h, d or w, such as 30d")
    return timedelta(**{unit: int(number)})


@contextmanager
def _database() -> Iterator[Database]:
    database = Database(settings().database)
    try:
        yield database
    except DomainError as error:
        fail(error.message)
    finally:
        database.dispose()


@contextmanager
def _bar(what: str) -> Iterator[Callable[[int, int], None]]:
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TaskProgressColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(what, total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)
