"""`vigie registry`: where MLflow's registry is not as Vigie told it to be, and how it is mended."""

import json
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from app.commands.connection import DEFAULT_URL, Federation, Json, Key, Url, connected

cli = typer.Typer(help="MLflow's registry beside Vigie's own.", no_args_is_help=True)

ModelName = Annotated[str, typer.Argument(help="The model's name.")]
Why = Annotated[str, typer.Option(help="The reason, for the audit log.")]
Limit = Annotated[int, typer.Option(min=1, max=1000, help="How many, the open ones first.")]


@cli.command()
def deviations(
    federation: Federation,
    key: Key,
    url: Url = DEFAULT_URL,
    limit: Limit = 50,
    as_json: Json = False,
) -> None:
    """List what somebody changed in MLflow behind Vigie's back. Exits with 3 if any is open.

    For example:

        vigie registry deviations -f flights
    """
    from app.commands.asking import ask  # noqa: PLC0415 - httpx, only when used

    with connected(url, key, federation) as api:
        found = ask(api, "GET", "registry/deviations", params={"limit": limit})
    _print(found, as_json=as_json)
    if any(one["resolved_at"] is None for one in found):
        raise typer.Exit(3)


@cli.command()
def reconcile(
    model: ModelName,
    why: Why,
    federation: Federation,
    key: Key,
    url: Url = DEFAULT_URL,
    as_json: Json = False,
) -> None:
    """Have a model's aliases, versions and tags put back in MLflow as Vigie told them.

    The key is of somebody on call or an owner. A worker does it; it is done within a minute.

    For example:

        vigie registry reconcile late-arrival -f flights --why "moved by hand, by mistake"
    """
    from app.commands.asking import ask  # noqa: PLC0415 - httpx, only when used

    with connected(url, key, federation) as api:
        found = ask(api, "POST", f"models/{model}/repair", {"reason": why})
    if not found and not as_json:
        typer.echo(f"Nothing of {model} deviates.")
        return
    _print(found, as_json=as_json)


def _print(found: Sequence[Mapping[str, Any]], *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(found))
        return
    table = Table(box=None, pad_edge=False)
    for heading in ("model", "what", "which", "expected", "found", "noticed (UTC)", "now"):
        table.add_column(heading)
    for one in found:
        which = " ".join(part for part in (one["version"], one["key"]) if part)
        shown = (one["expected"] or "-", one["found"] or "-", one["detected_at"][:16])
        state = one["resolution"] or ("being repaired" if one["repair_asked_at"] else "open")
        table.add_row(one["model"], one["kind"], which, *shown, state)
    Console().print(table)
