"""Weights in an object store: the effect of the outbox task `registry.check_weights`.

What the worker can read is hashed and compared with what the version was registered with; what it
cannot read is recorded as unverified. Addresses hold no credentials: those of the worker count.
"""

import hashlib
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import structlog
from sqlmodel import Session

from app.audit import service as audit
from app.core import clock
from app.registry import deviations, repository
from app.registry.deviations import Difference, Kind
from app.registry.mirroring import MIRRORED_BY
from app.registry.weights import is_of

log = structlog.get_logger(__name__)

Read = Callable[[str, Path], None]


@dataclass(frozen=True)
class Address:
    """Where a version's weights are said to be, and the hash that they should have."""

    uri: str
    weights_sha256: str


@dataclass(frozen=True)
class Looked:
    """What became of it: verified, mismatch or unverified, with the bytes' own hash if read."""

    state: str
    sha256: str | None = None
    size: int | None = None


def prepare(session: Session, version_id: UUID) -> Address | None:
    """Where to look; None for a version whose weights were sent or are nowhere."""
    version = repository.version_with_id(session, version_id)
    if version is None or version.artifact_uri is None or version.artifact_stamp is not None:
        return None
    return Address(version.artifact_uri, version.weights_sha256)


def perform(address: Address, most_bytes: int) -> Looked:
    """Read and compare, in a file of the system's own."""
    with tempfile.TemporaryDirectory(prefix="vigie-weights-") as home:
        path = Path(home) / "weights"
        try:
            _fetch(address.uri, path, most_bytes)
        except Exception as error:  # noqa: BLE001 - whatever a store raises, it cannot be read
            log.warning("weights.unreadable", uri=address.uri, error=type(error).__name__)
            return Looked("unverified")
        with path.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        size = path.stat().st_size
        right = is_of(path, sha256, address.weights_sha256, size)
        return Looked("verified" if right else "mismatch", sha256, size)


def record(session: Session, version_id: UUID, looked: Looked) -> None:
    """Keep what was found; weights that are not those that were registered are raised."""
    version = repository.version_with_id(session, version_id)
    assert version is not None  # versions are never deleted, and `prepare` found it
    model = repository.locked_model(session, version.model_id)
    before = version.artifact_state
    version.artifact_state, version.artifact_sha256 = looked.state, looked.sha256
    version.artifact_bytes, version.artifact_checked_at = looked.size, clock.now()
    session.add(version)
    if before == looked.state:
        return
    audit.record(
        session,
        actor=MIRRORED_BY,
        action="version.check_weights",
        entity=f"version:{model.name}/{version.version}",
        federation_id=model.federation_id,
        before={"artifact_state": before},
        after={"artifact_state": looked.state, "artifact_sha256": looked.sha256},
    )
    if looked.state == "mismatch":
        registered, found = version.weights_sha256, looked.sha256
        forged = Difference(Kind.WEIGHTS_CHANGED, version.version, "weights", registered, found)
        deviations.raise_once(session, model, forged)


def _fetch(uri: str, path: Path, most_bytes: int) -> None:
    from pyarrow import fs  # noqa: PLC0415 - only where weights lie elsewhere

    system, place = fs.FileSystem.from_uri(uri)
    info: Any = system.get_file_info(place)
    if info.size is None or info.size > most_bytes:
        raise ValueError("It is no file, or too large.")
    with system.open_input_stream(place) as source, path.open("wb") as target:
        shutil.copyfileobj(source, target)
