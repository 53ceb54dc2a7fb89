"""`vigie audit`: whether the audit log is what was written, here or in an export."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from pydantic import ValidationError
from sqlmodel import Session

from app.audit import exporting, service, signing
from app.audit.schemas import SignedCheckpoint
from app.core.database import Database
from app.core.errors import DomainError
from app.core.settings import settings

cli = typer.Typer(help="The hash-chained audit log.", no_args_is_help=True)

CheckpointFile = Annotated[
    Path | None,
    typer.Option("--checkpoint", help="A checkpoint kept elsewhere, to detect truncation."),
]
PublicKeyFile = Annotated[
    Path | None,
    typer.Option("--public-key", help="The installation's public key; default: from its own."),
]
ExportFile = Annotated[
    Path | None, typer.Option("--file", help="An export to verify in place of the database.")
]


@cli.command()
def verify(
    checkpoint: CheckpointFile = None, file: ExportFile = None, public_key: PublicKeyFile = None
) -> None:
    """Walk the whole chain; exit with 1 at the first edit, deletion, reordering or truncation.

    Example: vigie audit verify --checkpoint monday.json

    An export is verified anywhere: vigie audit verify --file audit.jsonl --public-key audit.pem
    """
    with _told():
        trusted = signing.load_public_key(public_key) if public_key else _key().public_key()
        known = _checkpoint(checkpoint, trusted) if checkpoint else None
        if file is not None:
            with file.open() as lines:
                end = exporting.verify_lines(lines, trusted, known)
        else:
            with _session() as session:
                end = service.verify(session, known)
    typer.echo(f"{end.seq} entries, unbroken; the last hash is {end.hash}.")


@cli.command()
def export(file: Annotated[Path, typer.Argument(help="Where to write it.")]) -> None:
    """Write every entry as JSON Lines, and last a signed checkpoint."""
    with _told(), _session() as session, file.open("w") as out:
        out.writelines(f"{line}\n" for line in exporting.export(session, _key()))
    typer.echo(f"Exported to {file}. Verify it with: vigie audit verify --file {file}")


@cli.command()
def checkpoint(file: Annotated[Path, typer.Argument(help="Where to write it.")]) -> None:
    """Write down how far the chain reaches, signed; keep it away from this machine."""
    with _told(), _session() as session:
        signed = signing.sign(service.verify(session), _key())
    file.write_text(signed.model_dump_json() + "\n")
    typer.echo(f"Checkpoint of {signed.seq} entries written to {file}.")


@cli.command()
def key(file: Annotated[Path, typer.Argument(help="Where to write it.")]) -> None:
    """Write the public key (PEM) that checkpoints are verified with."""
    with _told():
        file.write_bytes(signing.public_pem(_key()))
    typer.echo(f"Public key written to {file}.")


def _key() -> Ed25519PrivateKey:
    return signing.load_or_make_key(settings().audit_key)


def _checkpoint(file: Path, key: Ed25519PublicKey) -> SignedCheckpoint:
    try:
        read = SignedCheckpoint.model_validate_json(file.read_bytes())
    except ValidationError as error:
        raise typer.BadParameter(f"{file} holds no signed checkpoint") from error
    signing.check(read, key)
    return read


@contextmanager
def _session() -> Iterator[Session]:
    database = Database(settings().database)
    try:
        with database.read_scope() as session:
            yield session
    finally:
        database.dispose()


@contextmanager
def _told() -> Iterator[None]:
    """Say what is broken, and exit with 1."""
    try:
        yield
    except DomainError as error:
        typer.secho(error.message, fg=typer.colors.RED, err=True)
        raise typer.Exit(1) from error
