"""`vigie dashboards`: Grafana dashboards as code."""

import os
from pathlib import Path
from typing import Annotated

import typer

cli = typer.Typer(help="Grafana dashboards as code.", no_args_is_help=True)

DEFAULT_OUT = Path("dashboards/grafana/dashboards")


@cli.command()
def build(out: Annotated[Path, typer.Option(help="Folder for the JSON.")] = DEFAULT_OUT) -> None:
    """Write the dashboards as JSON."""
    from dashboards import commands  # noqa: PLC0415 - Grafana's builders, only for this

    for path in commands.build(out):
        typer.echo(path)


@cli.command()
def push(
    url: Annotated[str, typer.Option(help="Grafana's address.")],
    token_env: Annotated[
        str, typer.Option(help="Variable that holds a service account token.")
    ] = "GRAFANA_TOKEN",  # noqa: S107 - a variable's name, not a token
) -> None:
    """Push the dashboards to a running Grafana. Safe to run again."""
    from dashboards import commands  # noqa: PLC0415 - Grafana's builders, only for this

    token = os.environ.get(token_env)
    if not token:
        raise typer.BadParameter(f"Set {token_env} to a service account token.")
    commands.push(url, token)
    typer.echo(f"Dashboards pushed to {url}.")
