"""`vigie dashboards`: Grafana dashboards as code."""

import os
from pathlib import Path
from typing import Annotated

import typer

cli = typer.Typer(help="Grafana dashboards as code.", no_args_is_help=True)

DEFAULT_OUT = Path("dashboards/grafana/dashboards")
Console = Annotated[str, typer.Option(help="Address of the console, for links to it.")]
LOCAL_CONSOLE = "http://127.0.0.1:8000"


@cli.command()
def build(
    out: Annotated[Path, typer.Option(help="Folder for the JSON.")] = DEFAULT_OUT,
    console: Console = LOCAL_CONSOLE,
) -> None:
    """Write the dashboards as JSON."""
    from dashboards import commands  # noqa: PLC0415 - Grafana's builders, only for this

    for path in commands.build(out, console):
        typer.echo(path)


@cli.command()
def check(out: Annotated[Path, typer.Option(help="Folder of the JSON.")] = DEFAULT_OUT) -> None:
    """Fail if a dashboard cannot work, or its JSON is not what the code writes."""
    from dashboards import commands  # noqa: PLC0415 - Grafana's builders, only for this

    faults = commands.check(out)
    for fault in faults:
        typer.echo(fault, err=True)
    if faults:
        raise typer.Exit(1)


@cli.command()
def push(
    url: Annotated[str, typer.Option(help="Grafana's address.")],
    token_env: Annotated[
        str, typer.Option(help="Variable that holds a service account token.")
    ] = "GRAFANA_TOKEN",  # noqa: S107 - a variable's name, not a token
    console: Console = LOCAL_CONSOLE,
) -> None:
    """Push the dashboards to a running Grafana. Safe to run again."""
    from dashboards import commands  # noqa: PLC0415 - Grafana's builders, only for this

    token = os.environ.get(token_env)
    if not token:
        raise typer.BadParameter(f"Set {token_env} to a service account token.")
    try:
        commands.push(url, token, console)
    except commands.MissingSourceError as error:
        raise typer.BadParameter(str(error)) from error
    typer.echo(f"Dashboards pushed to {url}.")
