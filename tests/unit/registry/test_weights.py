"""Weights: taken in as a stream, kept if they are what was registered, and never unpickled."""

import hashlib
import io
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient
from sqlmodel import Session, select
from vigie_client.weights import weights_sha256

from app.audit.tables import AuditEntry
from app.core.database import Database
from app.core.settings import Settings
from app.federations.roles import Role
from app.federations.tables import Federation
from app.registry import reconciling, service, weights, weights_elsewhere
from app.registry.deviations import Kind
from app.registry.schemas import VersionIn
from app.registry.tables import Deviation, ModelVersion
from app.registry.weights_elsewhere import Address
from tests.unit.registry.lifecycle import MODEL, tasks
from tests.unit.registry.mlflow_told import notice

KeyOf = Callable[..., dict[str, str]]
PATH = f"/v1/federations/flights/models/{MODEL}/versions/1/weights"
ARRAYS = {"coef": np.array([0.0, 1.0]), "bias": np.array([2.0])}


class Exploding:
    """Unpickling it would be noticed."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (pytest.fail, ("it was unpickled",))


def archive(**arrays: Any) -> bytes:
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


def registered(database: Database, federation: Federation, digest: str, **more: Any) -> None:
    with database.session_scope() as session:
        body = VersionIn(run="spring", weights_sha256=digest, **more)
        service.register(session, federation, MODEL, body, "fl-server")


def version(session: Session) -> ModelVersion:
    return session.exec(select(ModelVersion)).one()


def files(settings: Settings) -> list[Path]:
    return [path for path in settings.artifacts_dir.rglob("*") if path.is_file()]


def digest_of(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def test_a_file_with_the_registered_hash_is_kept_once(
    api: TestClient,
    key_of: KeyOf,
    database: Database,
    federation: Federation,
    settings: Settings,
) -> None:
    content = b"\x00\x01" * 70_000
    registered(database, federation, digest_of(content))
    server = key_of(Role.INGEST)
    assert api.put(PATH, headers=key_of(Role.VIEWER), content=content).status_code == 403
    for _ in range(2):
        answer = api.put(PATH, headers=server, content=content)
        assert (answer.status_code, answer.json()["artifact_state"]) == (200, "verified")
    assert answer.json()["artifact_bytes"] == len(content)
    (kept,) = files(settings)
    assert kept.read_bytes() == content
    assert kept.stat().st_mode & 0o077 == 0
    with database.read_scope() as session:
        entries = session.exec(select(AuditEntry).where(AuditEntry.action == "version.weights"))
        assert len(entries.all()) == 1


def test_an_archive_is_known_by_its_arrays(
    api: TestClient, key_of: KeyOf, database: Database, federation: Federation
) -> None:
    registered(database, federation, weights_sha256(ARRAYS))
    answer = api.put(PATH, headers=key_of(Role.INGEST), content=archive(**ARRAYS))
    assert answer.json()["artifact_state"] == "verified"


@pytest.mark.parametrize(
    "content",
    [
        b"other weights",
        b"",
        archive(coef=np.array([0.0, 1.5]), bias=ARRAYS["bias"]),
        archive(coef=np.array([Exploding()], dtype=object)),
        pickle.dumps(Exploding()),
        b"PK\x03\x04 cut short",
    ],
    ids=["other", "empty", "other-arrays", "objects", "pickle", "broken"],
)
def test_anything_else_is_refused_and_leaves_nothing(
    api: TestClient,
    key_of: KeyOf,
    database: Database,
    federation: Federation,
    settings: Settings,
    content: bytes,
) -> None:
    registered(database, federation, weights_sha256(ARRAYS))
    answer = api.put(PATH, headers=key_of(Role.INGEST), content=content)
    assert answer.status_code == 422
    assert answer.json()["type"] == "urn:vigie:problem:weights_mismatch"
    assert files(settings) == []
    with database.read_scope() as session:
        assert version(session).artifact_state == "none"


def test_an_archive_that_unpacks_to_far_more_is_not_unpacked(tmp_path: Path) -> None:
    bomb = tmp_path / "bomb.npz"
    np.savez_compressed(bomb, coef=np.zeros(2_000_000))
    digest = weights_sha256({"coef": np.zeros(2_000_000)})
    assert not weights.is_of(bomb, "0" * 64, digest, bomb.stat().st_size)


def test_a_body_over_the_weights_own_cap_is_refused_as_it_streams(
    api: TestClient, key_of: KeyOf, database: Database, federation: Federation, settings: Settings
) -> None:
    content = bytes(2**20 + 1)
    registered(database, federation, digest_of(content))
    object.__setattr__(settings, "max_weights_mb", 1)
    object.__setattr__(settings, "max_body_bytes", 1000)  # that of pushes does not apply
    answer = api.put(PATH, headers=key_of(Role.INGEST), content=iter([content]))
    assert (answer.status_code, answer.json()["type"]) == (
        413,
        "urn:vigie:problem:weights_too_large",
    )
    assert files(settings) == []


def test_a_changed_or_missing_file_deviates_and_an_untouched_one_does_not(
    api: TestClient, key_of: KeyOf, database: Database, federation: Federation, settings: Settings
) -> None:
    content = b"weights"
    registered(database, federation, digest_of(content))
    api.put(PATH, headers=key_of(Role.INGEST), content=content)
    with database.session_scope() as session:
        notice(session, federation)  # MLflow was told
        for row in session.exec(select(reconciling.outbox.OutboxRow)):
            row.state = "done"
    with database.read_scope() as session:
        (told,) = reconciling.prepare(session)

    def changed() -> list[Kind]:
        found = reconciling._changed_files(settings.artifacts_dir, told.files)
        return [one.kind for one in found]

    (kept,) = files(settings)
    assert changed() == []
    kept.touch()
    assert changed() == []  # another time, the same bytes
    kept.write_bytes(b"wEights")
    assert changed() == [Kind.WEIGHTS_CHANGED]
    kept.unlink()
    assert changed() == [Kind.WEIGHTS_GONE]


def test_weights_in_a_store_are_read_and_compared_where_they_can_be(tmp_path: Path) -> None:
    file = tmp_path / "weights.npz"
    file.write_bytes(archive(**ARRAYS))
    there, digest = file.as_uri(), weights_sha256(ARRAYS)
    assert weights_elsewhere.perform(Address(there, digest), 10**6).state == "verified"
    assert weights_elsewhere.perform(Address(there, "0" * 64), 10**6).state == "mismatch"
    assert weights_elsewhere.perform(Address(there, digest), 10).state == "unverified"
    gone = weights_elsewhere.perform(Address(there + ".none", digest), 10**6)
    assert (gone.state, gone.sha256) == ("unverified", None)


def test_weights_at_an_address_are_looked_at_and_others_than_registered_raised(
    database: Database, federation: Federation
) -> None:
    registered(database, federation, "a" * 64, artifact_uri="s3://models/late/1")
    with database.session_scope() as session:
        found = version(session)
        assert found.artifact_state == "unverified"
        assert "registry.check_weights" in tasks(session)
        address = weights_elsewhere.prepare(session, found.id)
        assert address == Address("s3://models/late/1", "a" * 64)
        looked = weights_elsewhere.Looked("mismatch", "b" * 64, 7)
        for _ in range(2):
            weights_elsewhere.record(session, found.id, looked)
    with database.read_scope() as session:
        deviation = session.exec(select(Deviation)).one()
        assert (deviation.kind, deviation.severity) == ("weights_changed", "critical")
        assert version(session).artifact_state == "mismatch"
