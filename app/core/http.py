"""What every route needs of the process it runs in: settings, and a session that commits once."""

from collections.abc import Iterator
from contextlib import suppress
from typing import Annotated
from uuid import UUID

from fastapi import Depends, Request
from sqlmodel import Session

from app.core import context
from app.core.database import Database
from app.core.pressure import Pressure
from app.core.settings import Settings


def settings_of(request: Request) -> Settings:
    """The settings of the process that a request came to."""
    settings: Settings = request.app.state.settings
    return settings


def database_of(request: Request) -> Database:
    """The database of the process that a request came to."""
    database: Database = request.app.state.database
    return database


def pressure_of(request: Request) -> Pressure:
    """What the process that a request came to knows of its load."""
    pressure: Pressure = request.app.state.pressure
    return pressure


# `async`, though they never wait: each `def` would cost a request a change of threads.
async def _settings(request: Request) -> Settings:
    return settings_of(request)


async def note_ids(request: Request) -> None:
    """What a request's path says it is about, for the log; a federation once that is authorised."""
    for name in context.IN_PATHS & request.path_params.keys():
        with suppress(ValueError):  # which is refused later, with words
            context.note(name, UUID(request.path_params[name]))


async def _database(request: Request) -> Database:
    return database_of(request)


SettingsDep = Annotated[Settings, Depends(_settings)]
DatabaseDep = Annotated[Database, Depends(_database)]


def _writing_session(database: DatabaseDep) -> Iterator[Session]:
    with database.session_scope() as session:
        yield session


def _reading_session(database: DatabaseDep) -> Iterator[Session]:
    with database.read_scope() as session:
        yield session


# Scope "function": the commit happens before the answer is sent, so a failed one is never a 2xx.
WriteSession = Annotated[Session, Depends(_writing_session, scope="function")]
ReadSession = Annotated[Session, Depends(_reading_session, scope="function")]
