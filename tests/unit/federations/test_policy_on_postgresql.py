"""The history on a real PostgreSQL: its row locks and its own form of JSON."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from app.core.database import Database
from app.federations import service
from app.federations.errors import PolicyChangedError
from app.federations.policy import Policy, sha256_of
from app.federations.schemas import FederationIn

pytestmark = pytest.mark.postgres


def test_of_many_that_set_at_once_one_wins_each_version(postgres: Database) -> None:
    with postgres.session_scope() as session:
        founded = service.create(session, FederationIn(name="flights", title="F"), "test")

    def attempt(clients: int, expected: int | None = 1) -> bool:
        document = {"drift": {"min_clients": clients}, "privacy": {"delta": 1e-12}}
        policy = Policy.model_validate(document)
        try:
            with postgres.session_scope() as session:
                row = service.get(session, founded.id)
                service.set_policy(session, row, policy, "Ada", expected=expected)
        except PolicyChangedError:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(attempt, range(10, 18))) == 1
        assert all(pool.map(lambda clients: attempt(clients, None), range(8, 16)))
    with postgres.read_scope() as session:
        row = service.get(session, founded.id)
        versions = service.policy_versions(session, row)
        assert [version.version for version in versions] == list(range(10, 0, -1))
        assert all(version.sha256 == sha256_of(version.document) for version in versions)
        assert service.policy_at(session, row, row.policy_version) == service.policy_of(row)
