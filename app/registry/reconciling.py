"""Reconciling: MLflow's registry is looked at now and then, and compared with what it was told.

A difference is raised, and by default left alone: what to make of it is a person's decision, or
the policy's (`registry.on_deviation`). Like all work on MLflow it is prepared from the database,
performed outside any transaction, and recorded. A model on which work waits is looked at later:
what MLflow holds of it is about to change.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from uuid import UUID

from sqlmodel import Session

from app.audit import service as audit
from app.core import clock, outbox
from app.core.errors import NotFoundError
from app.federations import service as federations
from app.federations.tables import Federation
from app.registry import deviations, mirroring, repository, weights
from app.registry.deciding import APPLY, ROLL_BACK
from app.registry.deviations import Difference, Kind, Seen, differences
from app.registry.mirroring import MIRROR
from app.registry.mlflow_registry import MlflowRegistry
from app.registry.tables import Deviation, Model
from app.registry.twins import Held, registered_name
from app.registry.versions import model_named

CHANGES_ALIASES = (MIRROR, APPLY, ROLL_BACK)
BY_POLICY = "policy"


@dataclass(frozen=True)
class KeptFile:
    """The file of a version's weights, as it was when it was checked."""

    folder: Path
    stamp: str
    sha256: str


@dataclass(frozen=True)
class Told:
    """What MLflow was told of a model, and when; `deviates` if differences of it are known."""

    model_id: UUID
    name: str
    aliases: dict[str, str]
    versions: dict[str, Held]
    files: dict[str, KeptFile]
    at: datetime
    deviates: bool


def prepare(session: Session) -> list[Told]:
    """Every model that MLflow was told of, but those on which work waits."""
    busy = _busy(session)
    return [
        told
        for model in repository.mirrored_models(session)
        if model.id not in busy and (told := _told(session, model)) is not None
    ]


def perform(registry: MlflowRegistry, told: Told) -> tuple[Difference, ...]:
    """How MLflow differs from it."""
    seen: Seen = registry.look(told.name)
    changed = _changed_files(registry.artifacts_dir, told.files)
    return (*differences(told.aliases, told.versions, seen), *changed)


def _changed_files(home: Path, files: Mapping[str, KeptFile]) -> Iterator[Difference]:
    for version, kept in files.items():
        path = home / kept.folder / weights.FILE
        stamp = weights.stamp_of(path)
        if stamp is None:
            yield Difference(Kind.WEIGHTS_GONE, version, "weights", kept.sha256, None)
        elif stamp != kept.stamp and (now := weights.sha256_at(path, stamp)) != kept.sha256:
            yield Difference(Kind.WEIGHTS_CHANGED, version, "weights", kept.sha256, now)


def record(session: Session, told: Told, found: tuple[Difference, ...]) -> None:
    """Raise what is new and end what is over, unless MLflow was told something else meanwhile."""
    model = repository.locked_model(session, told.model_id)
    if model.mirrored_at != told.at or model.id in _busy(session):
        return
    new = deviations.note(session, model, found)
    federation = federations.get(session, model.federation_id)
    if new and federations.policy_of(federation).registry.on_deviation == "repair":
        _repair(session, model, BY_POLICY, "registry.on_deviation")


def outdated(session: Session) -> list[UUID]:
    """The versions of which MLflow was not told all that it should be, and no work waits on them.

    Such as the references that were frozen since, or work that failed for good.
    """
    busy = _busy(session)
    return [
        version_id
        for model in repository.all_models(session)
        if model.id not in busy and model.champion is not None
        for version_id in _outdated(session, model)
    ]


def catch_up(session: Session, versions: Collection[UUID]) -> None:
    """Have MLflow told of these versions, at most once an hour of each."""
    for version_id in versions:
        outbox.enqueue(session, MIRROR, version_id, step=f"{clock.now():%Y-%m-%dT%H}")


def repair(
    session: Session, federation: Federation, model_name: str, actor: str, why: str
) -> list[Deviation]:
    """Have everything that deviates put right in MLflow; return what does.

    Raises:
        NotFoundError: if there is no such model.
    """
    model = repository.locked_model(session, model_named(session, federation.id, model_name).id)
    return _repair(session, model, actor, why)


def deviations_of(
    session: Session, federation_id: UUID, limit: int = 50
) -> list[tuple[Deviation, str]]:
    """A federation's deviations with their models' names: the open ones, then the newest."""
    return repository.deviations_of(session, federation_id, limit)


def deviating(session: Session, model: Model) -> list[Deviation]:
    """What of a model deviates now, oldest first."""
    return repository.open_deviations(session, model)


def deviation_with_id(session: Session, deviation_id: UUID) -> tuple[Deviation, str]:
    """A deviation that an outbox row refers to, with its model's name."""
    found = repository.deviation_with_id(session, deviation_id)
    if found is None:
        raise NotFoundError("deviation", deviation_id)
    return found, repository.model_with_id(session, found.model_id).name


def _repair(session: Session, model: Model, actor: str, why: str) -> list[Deviation]:
    found = repository.open_deviations(session, model)
    if not found:
        return []
    for deviation in found:
        deviation.repair_asked_at, deviation.repair_asked_by = clock.now(), actor
        session.add(deviation)
    audit.record(
        session,
        actor=actor,
        action="registry.repair",
        entity=f"model:{model.name}",
        federation_id=model.federation_id,
        after={"deviations": [str(one.id) for one in found]},
        why=why,
    )
    mirroring.mirror_again(session, model)
    return found


def _busy(session: Session) -> set[UUID]:
    """The models of which MLflow is about to be told something."""
    subjects = outbox.subjects_waiting(session, CHANGES_ALIASES)
    return repository.models_of_subjects(session, subjects)


def _told(session: Session, model: Model) -> Told | None:
    if model.mirrored is None or model.mirrored_at is None:
        return None
    federation = federations.get(session, model.federation_id)
    name = registered_name(federation.name, model.name)
    stored = repository.versions_of(session, model)
    versions = {
        one.version: Held(one.mlflow_version, one.mirrored_tags, one.mirrored_source)
        for one in stored
        if one.mlflow_version and one.mirrored_tags and one.mirrored_source
    }
    return Told(
        model_id=model.id,
        name=name,
        aliases=model.mirrored,
        versions=versions,
        files={
            one.version: KeptFile(
                weights.folder_of(Path(), name, one.id), one.artifact_stamp, one.artifact_sha256
            )
            for one in stored
            if one.artifact_stamp and one.artifact_sha256
        },
        at=model.mirrored_at,
        deviates=bool(repository.open_deviations(session, model)),
    )


def _outdated(session: Session, model: Model) -> Iterator[UUID]:
    """The versions of which MLflow does not know what it should."""
    federation = federations.get(session, model.federation_id)
    versions = repository.versions_of(session, model)
    names = [version.version for version in versions]
    expected = mirroring.expected_tags(session, federation, model, names)
    for version in versions:
        named = version.version == model.champion and model.mirrored is None
        if named or version.mirrored_tags != expected[version.version]:
            yield version.id
