"""`vigie federations`: found a federation and hand out keys, on the machine itself."""

from typing import Annotated

import typer
from sqlmodel import Session

from app.core.database import Database
from app.core.errors import DomainError
from app.core.settings import settings
from app.federations import service
from app.federations.roles import Principal, Role
from app.federations.schemas import FederationIn, KeyIn
from app.federations.tables import Federation

cli = typer.Typer(help="Federations and their API keys.", no_args_is_help=True)

ACTOR = "command line"


@cli.command()
def create(
    name: Annotated[str, typer.Argument(help="Short name, used in addresses.")],
    title: Annotated[str, typer.Option(help="Name for people.")] = "",
    min_cohort_size: Annotated[int, typer.Option(help="Smallest cohort ever shown.")] = 3,
) -> None:
    """Found a federation.

    Example: vigie federations create hospitals --title "Hospitals of the north"
    """
    body = FederationIn(name=name, title=title or name, min_cohort_size=min_cohort_size)
    database = Database(settings().database)
    try:
        with database.session_scope() as session:
            service.create(session, body, ACTOR)
    except DomainError as error:
        raise typer.BadParameter(error.message) from error
    finally:
        database.dispose()
    typer.echo(f"Federation {name} founded. Next: vigie federations key {name} --role ingest")


@cli.command()
def key(
    federation: Annotated[str, typer.Argument(help="The federation's name.")],
    role: Annotated[Role, typer.Option(help="What the holder may do.")],
    holder: Annotated[str, typer.Option(help="Who holds it; decisions carry this name.")] = "",
) -> None:
    """Issue an API key and print it, this once."""
    database = Database(settings().database)
    try:
        with database.session_scope() as session:
            body = KeyIn(holder=holder or role.value, role=role)
            row = _named(session, federation)
            _, text = service.issue_key(session, row, body, ACTOR, settings().secret_key)
    except DomainError as error:
        raise typer.BadParameter(error.message) from error
    finally:
        database.dispose()
    typer.echo(text)


def _named(session: Session, name: str) -> Federation:
    from app.core.ids import new_id  # noqa: PLC0415 - the operator's identity is made here alone

    operator = Principal(new_id(), ACTOR, Role.ADMIN, None)
    return service.visible_to(session, operator, name)
