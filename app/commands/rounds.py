"""`vigie rounds`: the newest rounds that the service has."""

import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from app.commands.connection import DEFAULT_URL, Federation, Json, Key, Url, connected

_UNITS = (("d", 86_400), ("h", 3_600), ("min", 60))


def rounds(
    federation: Federation,
    key: Key,
    url: Url = DEFAULT_URL,
    model: Annotated[str | None, typer.Option(help="Only this model's rounds.")] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=1000, help="How many.")] = 20,
    as_json: Json = False,
) -> None:
    """List the newest rounds, newest first.

    For example:

        vigie rounds -f flights --model late-arrival -n 5

        vigie rounds -f flights --json | jq '.[0].state'
    """
    with connected(url, key, federation) as api:
        found = api.rounds(model=model, limit=limit)
    if as_json:
        typer.echo(json.dumps(found))
    elif found:
        Console().print(_table(found, datetime.now(UTC)))
    else:
        typer.echo("No rounds yet. `vigie push FILE` sends the first.")


def _table(found: Iterable[Mapping[str, Any]], now: datetime) -> Table:
    table = Table(box=None, pad_edge=False)
    for heading in ("step", "model", "run", "round", "phase"):
        table.add_column(heading)
    for heading in ("accepted", "quarantined"):
        table.add_column(heading, justify="right")
    for heading in ("state", "received"):
        table.add_column(heading)
    for round_ in found:
        table.add_row(*_cells(round_, now))
    return table


def _cells(round_: Mapping[str, Any], now: datetime) -> tuple[str, ...]:
    attempt = f" (attempt {round_['attempt']})" if round_["attempt"] > 1 else ""
    return (
        str(round_["global_step"]),
        f"{round_['model']} {round_['version']}",
        round_["run"],
        f"{round_['number']}{attempt}",
        round_["phase"],
        str(round_["accepted"]),
        str(round_["quarantined"]),
        round_["state"],
        _ago(now - datetime.fromisoformat(round_["received_at"])),
    )


def _ago(passed: timedelta) -> str:
    seconds = max(passed.total_seconds(), 0.0)
    for unit, size in _UNITS:
        if seconds >= size:
            return f"{seconds // size:.0f} {unit} ago"
    return f"{seconds:.0f} s ago"
