"""`vigie inventory`: what each model is for, how critical it is, and when it is reviewed next."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from app.commands.connection import DEFAULT_URL, Federation, Json, Key, Url, connected

cli = typer.Typer(help="The inventory of models, and their reviews.", no_args_is_help=True)

OVERDUE_EXIT = 3
ModelName = Annotated[str, typer.Argument(help="The model's name.")]
File = Annotated[
    Path, typer.Argument(exists=True, dir_okay=False, help="YAML or JSON: the whole entry.")
]
Outcome = Annotated[str, typer.Option(help="fit, fit_with_conditions or unfit.")]
Note = Annotated[str, typer.Option(help="What the review found.")]


@cli.command("list")
def list_models(
    federation: Federation, key: Key, url: Url = DEFAULT_URL, as_json: Json = False
) -> None:
    """List the federation's models. Exits with 3 if the review of one is overdue.

    For example:

        vigie inventory list -f flights
    """
    found = _asked(url, key, federation, "GET", "inventory")
    if as_json:
        typer.echo(json.dumps(found))
    else:
        Console().print(_table(found))
    if any(one["overdue"] for one in found):
        raise typer.Exit(OVERDUE_EXIT)


@cli.command()
def questions(federation: Federation, key: Key, url: Url = DEFAULT_URL) -> None:
    """Print the questions of the criticality matrix, as YAML to be filled in."""
    for one in _asked(url, key, federation, "GET", "inventory/questions"):
        typer.echo(f"# {one['axis']}: {one['text']}")
        for name, text in one["answers"].items():
            typer.echo(f"#   {name}: {text}")
        typer.echo(f"{one['name']}:")


@cli.command("set")
def describe(
    model: ModelName, file: File, federation: Federation, key: Key, url: Url = DEFAULT_URL
) -> None:
    """Say what a model is for, from a file; the key is an owner's.

    For example:

        vigie inventory set late-arrival late-arrival.yaml -f flights
    """
    import yaml  # noqa: PLC0415 - only when used

    try:
        entry = yaml.safe_load(file.read_text())
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise typer.BadParameter(f"{file.name} is no YAML: {error}") from error
    if not isinstance(entry, dict):
        raise typer.BadParameter(f"{file.name} holds no fields; see docs/how-to/inventory.md.")
    done = _asked(url, key, federation, "PUT", f"inventory/models/{model}", entry)
    typer.echo(
        f"{model}: criticality {done['criticality']} (materiality {done['materiality']:g} %, risk"
        f" {done['risk']:g} %); the next review is due on {done['next_review_at'][:10]}."
    )


@cli.command()
def review(
    model: ModelName,
    outcome: Outcome,
    note: Note,
    federation: Federation,
    key: Key,
    url: Url = DEFAULT_URL,
) -> None:
    """Note a review of a model; the key is a validator's who neither owns nor develops it.

    For example:

        vigie inventory review late-arrival --outcome fit --note "calibration holds" -f flights
    """
    body = {"outcome": outcome, "note": note}
    done = _asked(url, key, federation, "POST", f"inventory/models/{model}/reviews", body)
    typer.echo(f"{model} is reviewed; the next review is due on {done['next_review_at'][:10]}.")


def _asked(
    url: str,
    key: str,
    federation: str,
    method: str,
    path: str,
    body: Mapping[str, Any] | None = None,
) -> Any:  # noqa: ANN401 - whatever JSON the route answers
    from app.commands.asking import ask  # noqa: PLC0415 - httpx, only when used

    with connected(url, key, federation) as api:
        return ask(api, method, path, body)


def _table(found: Sequence[Mapping[str, Any]]) -> Table:
    table = Table(box=None, pad_edge=False)
    for heading in ("model", "criticality", "owner", "validator", "last review", "next review"):
        table.add_column(heading)
    for one in found:
        if not one["described"]:
            table.add_row(one["model"], "not described", "", "", "", "")
            continue
        due = one["next_review_at"][:10] + (" OVERDUE" if one["overdue"] else "")
        last = (one["last_review_at"] or "never")[:10]
        table.add_row(one["model"], one["criticality"], one["owner"], one["validator"], last, due)
    return table
