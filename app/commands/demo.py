"""`vigie demo`: a year of flights, end to end."""

from pathlib import Path
from typing import Annotated

import typer


def demo(
    data_dir: Annotated[
        Path | None, typer.Option(help="Folder of the service's data; default: a temporary one.")
    ] = None,
    yes: Annotated[
        bool, typer.Option("--yes", help="Let the built-in validator decide, without asking.")
    ] = False,
    keep: Annotated[
        bool, typer.Option("--keep", help="Leave the service running at the end, for a look.")
    ] = False,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Write a summary to this file.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of everything random.")] = 7,
) -> None:
    """Watch a real federation drift, be retrained, compared, approved and go live.

    Carriers are the clients, a week of 2013 is a round, and the model predicts late arrivals.
    Example: vigie demo --yes --json out.json
    """
    from demo.play import Options, play  # noqa: PLC0415 - data and numerics, only for this

    raise typer.Exit(play(Options(data_dir, yes, keep, json_file, seed)))
