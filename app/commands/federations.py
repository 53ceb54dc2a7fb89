"""`vigie federations`: found a federation and hand out keys, on the machine itself."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Annotated

import typer
from pydantic import ValidationError
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
    cohorts: Annotated[
        list[str] | None,
        typer.Option("--cohorts", help="A tag that clients may carry, and its values. Repeatable."),
    ] = None,
) -> None:
    """Found a federation.

    Example: vigie federations create hospitals --title "Hospitals" --cohorts region=north,south
    """
    try:
        body = FederationIn(
            name=name,
            title=title or name,
            min_cohort_size=min_cohort_size,
            cohort_tags=_tags(cohorts or ()),
        )
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise typer.BadParameter(f"{where}: {first['msg']}") from error
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
    login: Annotated[
        str | None, typer.Option(help="What the person whose key it is signs in as.")
    ] = None,
    days: Annotated[
        int | None, typer.Option(min=1, max=3650, help="How long it lasts; default: until revoked.")
    ] = None,
) -> None:
    """Issue an API key and print it, this once."""
    database = Database(settings().database)
    try:
        with database.session_scope() as session:
            body = KeyIn(holder=holder or role.value, role=role, expires_in_days=days, login=login)
            row = _named(session, federation)
            _, text = service.issue_key(session, row, body, ACTOR, settings().secret_key)
    except DomainError as error:
        raise typer.BadParameter(error.message) from error
    finally:
        database.dispose()
    typer.echo(text)


@cli.command()
def withdraw(
    federation: Annotated[str, typer.Argument(help="The federation's name.")],
    clients: Annotated[list[str], typer.Argument(help="Pseudonyms: c_ and 32 hex digits.")],
) -> None:
    """Erase what clients said and refuse what else they send; once more changes nothing."""
    from app.incidents import withdrawing  # noqa: PLC0415 - the other commands need none of it
    from app.rounds.privacy_schemas import WithdrawalIn  # noqa: PLC0415 - likewise

    with _federation(federation) as (session, row):
        try:
            body = WithdrawalIn(clients=clients)
        except ValidationError as error:
            raise typer.BadParameter("a pseudonym is c_ and 32 lower-case hex digits") from error
        done = withdrawing.withdraw(session, row, body.clients, ACTOR)
    typer.echo(
        f"{done.withdrawn} client(s) withdrew: {done.records} record(s) in {done.rounds} round(s)"
        f" erased, {done.verdicts} verdict(s) blanked."
    )


@cli.command()
def privacy(
    federation: Annotated[str, typer.Argument(help="The federation's name.")],
) -> None:
    """What the federation's clients have spent of their privacy budget."""
    from app.rounds import service as rounds  # noqa: PLC0415 - the other commands need none of it

    with _federation(federation) as (session, row):
        spent, policy = rounds.spent_in(session, row), service.policy_of(row).privacy
    budget = "no budget" if policy.epsilon_budget is None else f"budget {policy.epsilon_budget:g}"
    typer.echo(
        f"{spent.clients} client(s) with declared noise; the most spent is epsilon"
        f" {spent.worst_epsilon:.3g} at delta {policy.delta:g} ({budget});"
        f" {spent.near} near the budget, {spent.exhausted} at its end."
    )


@contextmanager
def _federation(name: str) -> Iterator[tuple[Session, Federation]]:
    """A federation as a row of a session that commits."""
    database = Database(settings().database)
    try:
        with database.session_scope() as session:
            yield session, _named(session, name)
    except DomainError as error:
        raise typer.BadParameter(error.message) from error
    finally:
        database.dispose()


def _tags(options: Iterable[str]) -> dict[str, list[str]]:
    """`region=north,south` as a tag and its values."""
    tags = {}
    for option in options:
        tag, equals, values = option.partition("=")
        if not equals:
            raise typer.BadParameter(f"--cohorts {option}: write it as tag=value,value")
        tags[tag] = values.split(",")
    return tags


def _named(session: Session, name: str) -> Federation:
    from app.core.ids import new_id  # noqa: PLC0415 - the operator's identity is made here alone

    operator = Principal(new_id(), ACTOR, Role.ADMIN, None)
    return service.visible_to(session, operator, name)
