"""`vigie audit`: whether the audit log is what was written."""

from pathlib import Path
from typing import Annotated

import typer

from app.audit import service
from app.audit.errors import BrokenChainError
from app.audit.schemas import Checkpoint
from app.core.database import Database
from app.core.settings import settings

cli = typer.Typer(help="The hash-chained audit log.", no_args_is_help=True)

CheckpointFile = Annotated[
    Path | None,
    typer.Option("--checkpoint", help="A checkpoint exported earlier, to detect truncation."),
]


@cli.command()
def verify(checkpoint: CheckpointFile = None) -> None:
    """Walk the whole chain; exit with 1 at the first edit, deletion, reordering or truncation.

    Example: VIGIE_DATA_DIR=./vigie-data vigie audit verify --checkpoint monday.json
    """
    known = Checkpoint.model_validate_json(checkpoint.read_bytes()) if checkpoint else None
    database = Database(settings().database)
    try:
        with database.read_scope() as session:
            end = service.verify(session, known)
    except BrokenChainError as error:
        typer.secho(error.message, fg=typer.colors.RED, err=True)
        raise typer.Exit(1) from error
    finally:
        database.dispose()
    typer.echo(f"{end.seq} entries, unbroken; the last hash is {end.hash}.")


@cli.command()
def checkpoint(file: Annotated[Path, typer.Argument(help="Where to write it.")]) -> None:
    """Export how far the chain reaches; keep it away from this machine."""
    database = Database(settings().database)
    with database.read_scope() as session:
        end = service.verify(session)
    database.dispose()
    file.write_text(end.model_dump_json() + "\n")
    typer.echo(f"Checkpoint of {end.seq} entries written to {file}.")
