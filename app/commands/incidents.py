"""`vigie incidents`: what is open, and what is accepted as the new normal."""

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.commands.connection import DEFAULT_URL, Federation, Json, Key, Url, connected

if TYPE_CHECKING:
    from vigie_client import VigieApi

cli = typer.Typer(help="Incidents: what is open, and what is normal now.", no_args_is_help=True)

Why = Annotated[str, typer.Option(help="Goes into the audit log.")]


@cli.command("list")
def list_(
    federation: Federation,
    key: Key,
    url: Url = DEFAULT_URL,
    state: Annotated[
        str | None, typer.Option(help="Only those: open, acknowledged or resolved.")
    ] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=1000, help="How many.")] = 20,
    as_json: Json = False,
) -> None:
    """List the newest incidents, newest first.

    For example:

        vigie incidents list -f flights --state open
    """
    asked: dict[str, Any] = {"limit": limit} | ({"state": state} if state else {})
    with connected(url, key, federation) as api:
        found = _ask(api, "GET", "incidents", list, params=asked)
    if as_json:
        typer.echo(json.dumps(found))
        return
    for one in found:
        ended = f" as {one['resolution']}" if one["resolution"] else ""
        typer.echo(f"{one['id']}  {one['severity']}, {one['state']}{ended}: {one['title']}")


@cli.command()
def accept(
    incident: Annotated[str, typer.Argument(help="Its id.")],
    federation: Federation,
    key: Key,
    why: Why,
    url: Url = DEFAULT_URL,
    rounds: Annotated[
        list[str] | None,
        typer.Option("--round", help="Id of a round since the onset; repeat it. Default: newest."),
    ] = None,
    also: Annotated[
        list[str] | None,
        typer.Option(help="Id of another open incident of the version; repeat it."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Accept what an incident is about as the new normal: the version gets a new reference.

    For example:

        vigie incidents accept 5f0c7a52-7a3f-4d0c-9b52-0e1f1f9f7d11 -f flights --why "new schedule"
    """
    sent = {"why": why, "also": also or []} | ({"rounds": rounds} if rounds else {})
    with connected(url, key, federation) as api:
        done = _ask(api, "POST", f"incidents/{incident}/accept", dict, sent)
    if as_json:
        typer.echo(json.dumps(done))
        return
    reference = done["reference"]
    typer.echo(
        f"Version {reference['version']} of {reference['model']} is judged against reference"
        f" {reference['number']} from now on: {len(reference['round_ids'])} rounds up to step"
        f" {reference['last_step']}."
    )


def _ask(
    api: "VigieApi",
    method: str,
    path: str,
    read: Any,  # noqa: ANN401 - what makes the answer out of JSON
    sent: dict[str, Any] | None = None,
    params: dict[str, Any] | None = None,
) -> Any:  # noqa: ANN401 - JSON
    from vigie_client import Body  # noqa: PLC0415 - httpx, only when used
    from vigie_client.calls import Call  # noqa: PLC0415
    from vigie_client.canonical import canonical  # noqa: PLC0415

    body = None if sent is None else Body(canonical(sent))
    return api._send(Call(method, path, read, body, params))  # noqa: SLF001 - the client has none
