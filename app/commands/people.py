"""`vigie people`: accounts and roles of people, on the machine itself."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated
from uuid import UUID

import typer
from pydantic import ValidationError
from sqlmodel import Session

from app.core.database import Database
from app.core.errors import DomainError
from app.core.settings import settings
from app.federations import service as federations
from app.federations.roles import Role
from app.people import roles, service
from app.people.schemas import PersonIn

cli = typer.Typer(help="People: accounts, roles, links to set a password.", no_args_is_help=True)

ACTOR = "command line"
LoginArgument = Annotated[str, typer.Argument(help="What the person signs in as.")]
Federation = Annotated[
    str | None, typer.Option("--federation", help="The federation; left out: all federations.")
]


@cli.command()
def add(
    login: LoginArgument,
    name: Annotated[str, typer.Option(help="The person's name; decisions carry it.")],
    role: Annotated[Role | None, typer.Option(help="A role to give at once.")] = None,
    federation: Federation = None,
) -> None:
    """Make an account; prints a link with which its person sets their password.

    Example: vigie people add grace --name "Grace Hopper" --role validator --federation flights
    """
    try:
        body = PersonIn(login=login, name=name)
    except ValidationError as error:
        raise typer.BadParameter(
            "a login is lower-case letters, digits and . _ @ + -, a name letters and . @ ' -"
        ) from error
    with _session() as session:
        service.add(session, body.login, body.name, ACTOR)
        if role is not None:
            roles.give(session, body.login, _id_of(session, federation), role, ACTOR)
        _print_link(session, body.login)


@cli.command("list")
def show() -> None:
    """Every account, with its roles."""
    with _session() as session:
        names: dict[UUID | None, str] = {row.id: row.name for row in federations.everyone(session)}
        for person in service.everyone(session):
            held = [
                f"{one.role.value} in {names.get(one.federation_id, 'all federations')}"
                for one in roles.principals_of(session, person)
            ]
            state = "disabled" if person.disabled_at else "; ".join(held) or "no role"
            typer.echo(f"{person.login}\t{person.name}\t{state}")


@cli.command()
def give(
    login: LoginArgument,
    role: Annotated[Role, typer.Argument(help="What the person may do.")],
    federation: Federation = None,
) -> None:
    """Give a role in a federation, or in all; it replaces the one held there."""
    with _session() as session:
        roles.give(session, login, _id_of(session, federation), role, ACTOR)


@cli.command()
def take(login: LoginArgument, federation: Federation = None) -> None:
    """Take a role away that was given by hand."""
    with _session() as session:
        roles.take(session, login, _id_of(session, federation), ACTOR)


@cli.command()
def link(login: LoginArgument) -> None:
    """Print a new link to set a password; an older one ends."""
    with _session() as session:
        _print_link(session, login)


@cli.command()
def disable(login: LoginArgument) -> None:
    """Let somebody sign in no more, and end what they are signed in to."""
    with _session() as session:
        service.disable(session, login, ACTOR)


@cli.command()
def enable(login: LoginArgument) -> None:
    """Let somebody sign in again, at once even after failed attempts."""
    with _session() as session:
        service.enable(session, login, ACTOR, settings().secret_key)


@contextmanager
def _session() -> Iterator[Session]:
    database = Database(settings().database)
    try:
        with database.session_scope() as session:
            yield session
    except DomainError as error:
        raise typer.BadParameter(error.message) from error
    finally:
        database.dispose()


def _id_of(session: Session, federation: str | None) -> UUID | None:
    return None if federation is None else federations.named(session, federation).id


def _print_link(session: Session, login: str) -> None:
    made = service.make_link(session, login, ACTOR, settings().secret_key)
    typer.echo(f"{settings().public_url.rstrip('/')}/password/{made.token}")
    typer.echo(f"It works once, until {made.expires_at:%Y-%m-%d %H:%M} UTC.", err=True)
