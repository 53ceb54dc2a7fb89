"""A story that tests tell, round by round."""

from collections.abc import Iterator

import pytest

from app.core.database import Database
from app.federations import service as federations
from app.federations.tables import Federation
from tests.unit.incidents.stories import Story


@pytest.fixture
def story(
    database: Database, federation: Federation, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Story]:
    """A federation without a judged round, in one transaction that the test ends."""
    with database.session_scope() as session:
        here = federations.get(session, federation.id)
        yield Story(session, here, monkeypatch)
