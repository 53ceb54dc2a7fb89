"""The `vigie` command. Heavy imports happen inside the commands that need them."""

from typing import Annotated

import typer

from app.commands import (
    audit,
    backtest,
    dashboards,
    db,
    demo,
    drill,
    federations,
    incidents,
    inventory,
    people,
    policy,
    progress,
    push,
    registry,
    rounds,
    serve,
    watch,
)

cli = typer.Typer(
    name="vigie",
    help="Watches federated models in use: drift, incidents, retraining, promotion.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
cli.command("up")(serve.up)
cli.command("api")(serve.api)
cli.command("worker")(serve.worker)
cli.command("beat")(serve.beat)
cli.command("demo")(demo.demo)
cli.command("push")(push.push)
cli.command("rounds")(rounds.rounds)
cli.command("progress")(progress.progress)
cli.command("watch")(watch.watch)
cli.command("backtest")(backtest.backtest)
cli.command("replay")(backtest.replay)
cli.add_typer(db.cli, name="db")
cli.add_typer(audit.cli, name="audit")
cli.add_typer(federations.cli, name="federations")
cli.add_typer(people.cli, name="people")
cli.add_typer(policy.cli, name="policy")
cli.add_typer(incidents.cli, name="incidents")
cli.add_typer(dashboards.cli, name="dashboards")
cli.add_typer(drill.cli, name="drill")
cli.add_typer(registry.cli, name="registry")
cli.add_typer(inventory.cli, name="inventory")


@cli.callback()
def root(
    version: Annotated[bool, typer.Option("--version", help="Print the version and stop.")] = False,
) -> None:
    """Settings come from VIGIE_* variables; `vigie up` needs none of them."""
    if version:
        from importlib.metadata import version as installed  # noqa: PLC0415 - rarely needed

        typer.echo(f"vigie {installed('vigie')}")
        raise typer.Exit


def main() -> None:
    """Entry point of the console script."""
    cli()
