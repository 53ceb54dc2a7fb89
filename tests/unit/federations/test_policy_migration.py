"""The history of policies starts with what the database already knew."""

import json
from itertools import pairwise
from pathlib import Path
from uuid import UUID, uuid4

from alembic import command
from sqlmodel import Session

from app.core import migrations
from app.core.database import Database
from app.federations import service
from app.federations.policy import Policy, sha256_of
from app.federations.tables import Federation, PolicyVersion

FEDERATION = (
    "INSERT INTO federations (id, name, title, min_cohort_size, cohort_tags, policy,"
    " policy_version, created_at) VALUES (?, ?, 'F', 3, '{}', ?, ?, '2026-01-01 00:00:00')"
)
ENTRY = (
    "INSERT INTO audit_log (seq, at, federation_id, actor, action, entity, before, after, why,"
    " previous_hash, hash) VALUES (?, '2026-02-01 00:00:00', ?, 'Ada', ?, 'federation:f', ?, ?,"
    " 'because', '', ?)"
)


def test_a_federation_of_before_gets_every_version_that_the_audit_log_tells_of(
    tmp_path: Path,
) -> None:
    database = Database(f"sqlite:///{tmp_path / 'vigie.db'}")
    command.upgrade(migrations.config(database), "0003")
    old, new = uuid4(), uuid4()
    told = [json.dumps({"version": at, "policy": _policy(at)}) for at in (1, 2, 3)]
    with database.engine.connect() as connection:
        connection.exec_driver_sql(FEDERATION, (old.hex, "old", json.dumps(_policy(3)), 3))
        connection.exec_driver_sql(FEDERATION, (new.hex, "new", "{}", 1))
        for seq, (before, after) in enumerate(pairwise(told), start=2):
            values = (seq, old.hex, "federation.set_policy", before, after, f"hash {seq}")
            connection.exec_driver_sql(ENTRY, values)
        connection.exec_driver_sql(ENTRY, (9, old.hex, "key.issue", None, "{}", "hash 9"))
        connection.commit()
    migrations.upgrade(database)
    with database.read_scope() as session:
        versions = _versions(session, old)
        assert [(row.version, row.set_by, row.why) for row in versions] == [
            (3, "Ada", "because"),
            (2, "Ada", "because"),
            (1, "migration", None),
        ]
        assert all(row.sha256 == sha256_of(row.document) for row in versions)
        policies = [service.policy_at(session, _named(session, old), at) for at in (1, 2, 3)]
        assert [policy.drift.min_clients for policy in policies] == [3, 4, 5]
        assert [row.version for row in _versions(session, new)] == [1]
        assert service.policy_at(session, _named(session, new), 1) == Policy()
    command.downgrade(migrations.config(database), "0003")
    migrations.upgrade(database)
    with database.read_scope() as session:
        assert len(_versions(session, old)) == 3
    database.dispose()


def _policy(version: int) -> dict[str, object]:
    return {"drift": {"min_clients": version + 2}}


def _named(session: Session, federation_id: UUID) -> Federation:
    return service.get(session, federation_id)


def _versions(session: Session, federation_id: UUID) -> list[PolicyVersion]:
    return service.policy_versions(session, _named(session, federation_id))
