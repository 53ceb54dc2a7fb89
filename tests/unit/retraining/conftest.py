"""One transaction in a federation whose model has a champion, under a clock that tests set."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from sqlmodel import Session

from app.core import clock
from app.core.database import Database
from app.federations import service as federations
from app.federations.tables import Federation
from tests.unit.retraining.requests import champion


class Watch:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.at = datetime(2013, 6, 10, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.at

    def forward(self, **span: float) -> None:
        self.at += timedelta(**span)


@pytest.fixture
def watch() -> Iterator[Watch]:
    """The service's clock."""
    watch = Watch()
    with clock.using(watch):
        yield watch


@pytest.fixture
def session(database: Database, federation: Federation, watch: Watch) -> Iterator[Session]:
    """A transaction with version 1 of the model registered."""
    with database.session_scope() as session:
        champion(session, federation)
        yield session


@pytest.fixture
def here(session: Session, federation: Federation) -> Federation:
    """The federation, as a row of that transaction."""
    return federations.get(session, federation.id)
