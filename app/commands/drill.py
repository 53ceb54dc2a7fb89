"""`vigie drill`: whether alerts arrive, tried out in production without alarming anybody."""

import json
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from app.commands.connection import DEFAULT_URL, Federation, Json, Key, Url, fail
from app.incidents.states import Severity

if TYPE_CHECKING:
    import httpx

cli = typer.Typer(help="Try out what only matters in an emergency.", no_args_is_help=True)

POLL_SECONDS, CALL_SECONDS = 0.5, 10.0
WORKERLESS = "No worker took the drill up: is one running (`vigie up`, `vigie worker`)?"

SeverityOption = Annotated[Severity, typer.Option(help="For receivers that go by it.")]
WaitOption = Annotated[float, typer.Option(min=1, max=3600, help="Seconds to wait for all.")]


@cli.callback()
def drill() -> None:
    """Try out what only matters in an emergency."""


@cli.command()
def incident(
    federation: Federation,
    key: Key,
    url: Url = DEFAULT_URL,
    severity: SeverityOption = Severity.CRITICAL,
    wait: WaitOption = 60.0,
    as_json: Json = False,
) -> None:
    """Send an alert to every channel, marked as a drill, and say which of them took it.

    It travels as a real one does: outbox, worker, log, Alertmanager, Apprise, webhooks. The key is
    of somebody on call or an owner; the audit log tells of the drill. Exits with 1 unless all took
    it.

    For example:

        vigie drill incident -f flights --severity warning
    """
    with open_client(url, key, federation) as client:
        started = _ask(client, "POST", "/drills", {"severity": severity.value})
        done = _follow(client, str(started["id"]), time.monotonic() + wait)
    if as_json:
        typer.echo(json.dumps(done))
    else:
        Console().print(_table(done["notices"]))
    if not done["notices"]:
        fail(WORKERLESS)
    if any(notice["state"] != "sent" for notice in done["notices"]):
        fail("Not every channel took it.")


def open_client(url: str, key: str, federation: str) -> "httpx.Client":
    """A client of the federation's API."""
    import httpx  # noqa: PLC0415 - only when the command runs

    return httpx.Client(
        base_url=f"{url.rstrip('/')}/v1/federations/{federation}",
        headers={"Authorization": f"Bearer {key}"},
        timeout=CALL_SECONDS,
    )


def _follow(client: "httpx.Client", drill_id: str, until: float) -> dict[str, Any]:
    """The drill once every notice has been tried, or as far as it is when time is up."""
    while True:
        found = _ask(client, "GET", f"/drills/{drill_id}")
        notices = found["notices"]
        if notices and all(_was_tried(notice) for notice in notices):
            return found
        if time.monotonic() >= until:
            return found
        time.sleep(POLL_SECONDS)


def _was_tried(notice: Mapping[str, Any]) -> bool:
    return bool(notice["state"] != "pending" or notice["attempts"])


def _ask(
    client: "httpx.Client", method: str, path: str, body: dict[str, Any] | None = None
) -> dict[str, Any]:
    import httpx  # noqa: PLC0415 - only when the command runs

    try:
        answer = client.request(method, path, json=body)
        told: dict[str, Any] = answer.json()
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        fail(f"The service does not answer as it should: {type(error).__name__}. Check --url.")
    if not answer.is_success:
        fail(f"{answer.status_code}: {told.get('detail', 'refused')}")
    return told


def _table(notices: Sequence[Mapping[str, Any]]) -> Table:
    table = Table(box=None, pad_edge=False)
    for heading in ("channel", "got it", "attempts", "what went wrong"):
        table.add_column(heading)
    for notice in notices:
        got = "yes" if notice["state"] == "sent" else "no"
        error = notice["last_error"] or ("" if got == "yes" else notice["state"])
        table.add_row(notice["channel"], got, str(notice["attempts"]), error)
    return table
