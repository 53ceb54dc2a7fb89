"""`vigie progress`: one round on its way to its verdicts."""

import json
import sys
from collections.abc import Iterable, Mapping
from typing import Annotated, Any
from uuid import UUID

import typer
from rich.console import Console

from app.commands.connection import DEFAULT_URL, Federation, Json, Key, Url, connected, fail


def progress(
    round_id: Annotated[UUID, typer.Argument(help="The round's id, as the receipt has it.")],
    federation: Federation,
    key: Key,
    url: Url = DEFAULT_URL,
    as_json: Json = False,
) -> None:
    """Follow a round until it was judged: receiving, evaluating 7/16, evaluated.

    Ends with 1 where some of its clients could not be judged, and says why. With --json, every
    change is a line.

    For example:

        vigie progress 0197f2c4-1f7e-7a53-9c7e-2f5f0f2f9f11 -f flights
    """
    with connected(url, key, federation) as api:
        shown(api.follow(str(round_id)), as_json=as_json)


def shown(steps: Iterable[Mapping[str, Any]], *, as_json: bool) -> None:
    """Show a round's steps as they come; the command ends with 1 where the last is `partial`."""
    last: Mapping[str, Any] = {}
    with Console(stderr=True).status("Waiting for the service ...") as status:
        for last in steps:
            if as_json:
                typer.echo(json.dumps(last))
            elif sys.stderr.isatty():
                status.update(f"{last['text']} ...")
            else:
                typer.echo(last["text"], err=True)
    if last.get("errors"):
        fail("\n".join([last["text"], *(f"  {error}" for error in last["errors"])]))
    if not as_json:
        typer.echo(last.get("text", "The service told nothing."))
