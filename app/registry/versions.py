"""Models and their versions: made on first sight, numbered, and kept with their lineage."""

from uuid import UUID

from sqlmodel import Session

from app.audit import service as audit
from app.core import clock, outbox
from app.core.errors import NotFoundError
from app.federations.tables import Federation
from app.registry import repository
from app.registry.errors import UnknownParentError
from app.registry.identity import identity_of
from app.registry.lineage import made_by
from app.registry.mirroring import MIRROR
from app.registry.schemas import VersionIn
from app.registry.tables import Model, ModelVersion

FIRST_SIGHT = "first sight"
CHECK_WEIGHTS = "registry.check_weights"


def ensure_model(
    session: Session, federation_id: UUID, name: str, actor: str = FIRST_SIGHT
) -> Model:
    """The federation's model of that name, made if there is none."""
    found = repository.model_named(session, federation_id, name)
    if found is not None:
        return found
    model = Model(federation_id=federation_id, name=name, created_at=clock.now())
    if not repository.insert_model(session, model):
        return model_named(session, federation_id, name)
    audit.record(
        session,
        actor=actor,
        action="model.create",
        entity=f"model:{name}",
        federation_id=federation_id,
        after={"name": name},
    )
    return model


def model_named(session: Session, federation_id: UUID, name: str) -> Model:
    """The federation's model of that name.

    Raises:
        NotFoundError: if it has none.
    """
    found = repository.model_named(session, federation_id, name)
    if found is None:
        raise NotFoundError("model", name)
    return found


def model_with_id(session: Session, federation_id: UUID, model_id: UUID) -> Model:
    """The federation's model by id.

    Raises:
        NotFoundError: if it has none.
    """
    found = repository.model_if_any(session, model_id)
    if found is None or found.federation_id != federation_id:
        raise NotFoundError("model", model_id)
    return found


def version_with_id(
    session: Session, federation_id: UUID, version_id: UUID
) -> tuple[ModelVersion, Model]:
    """The federation's version by id, with its model.

    Raises:
        NotFoundError: if it has none.
    """
    found = repository.version_with_id(session, version_id)
    if found is None or found.federation_id != federation_id:
        raise NotFoundError("version", version_id)
    return found, repository.model_with_id(session, found.model_id)


def champion_before(session: Session, model: Model) -> str | None:
    """Whose place a model's champion took; None for its first."""
    if model.champion is None:
        return None
    promotion = repository.applied_last(session, model, model.champion)
    return None if promotion is None else promotion.champion


def models_of(session: Session, federation_id: UUID) -> list[Model]:
    """A federation's models, by name."""
    return repository.models_of(session, federation_id)


def versions_of(session: Session, federation_id: UUID, model_name: str) -> list[ModelVersion]:
    """A model's versions, oldest first."""
    return repository.versions_of(session, model_named(session, federation_id, model_name))


def version_named(
    session: Session, federation_id: UUID, model_name: str, version: str
) -> ModelVersion:
    """A model's version.

    Raises:
        NotFoundError: if there is no such model or version.
    """
    model = model_named(session, federation_id, model_name)
    found = repository.version_named(session, model, version)
    if found is None:
        raise NotFoundError(f"version of {model_name}", version)
    return found


def register(
    session: Session,
    federation: Federation,
    model_name: str,
    body: VersionIn,
    actor: str,
    *,
    retrain_request_id: UUID | None = None,
    incident_id: UUID | None = None,
) -> ModelVersion:
    """Register a version under the model's next number, and have MLflow told.

    A model's first version is its champion at once; a later one is its canary. The same run and
    weights again, for the same retrain request, are the same version: nothing is made.

    Raises:
        UnknownParentError: if the model has no version of the parent's name.
    """
    made = ensure_model(session, federation.id, model_name, actor)
    model = repository.locked_model(session, made.id)
    known = repository.version_of_weights(
        session, model, body.run, body.weights_sha256, retrain_request_id
    )
    if known is not None:
        return known
    _check_parent(session, model, body.parent_version)
    version = ModelVersion(
        model_id=model.id,
        federation_id=federation.id,
        version=str(repository.count_versions(session, model) + 1),
        retrain_request_id=retrain_request_id,
        incident_id=incident_id,
        lineage=made_by(session, federation, model, body.run),
        registered_by=actor,
        registered_by_id=identity_of(actor),
        artifact_state="none" if body.artifact_uri is None else "unverified",
        created_at=clock.now(),
        **body.model_dump(),
    )
    session.add(version)
    _name_it(model, version.version)
    session.add(model)
    session.flush()
    outbox.enqueue(session, MIRROR, version.id)
    if version.artifact_uri is not None:
        outbox.enqueue(session, CHECK_WEIGHTS, version.id)
    _audit(session, model, version)
    return version


def _check_parent(session: Session, model: Model, parent: str | None) -> None:
    if parent is not None and repository.version_named(session, model, parent) is None:
        raise UnknownParentError(parent)


def _name_it(model: Model, version: str) -> None:
    if model.champion is None:
        model.champion = version
    else:
        model.canary = version


def _audit(session: Session, model: Model, version: ModelVersion) -> None:
    audit.record(
        session,
        actor=version.registered_by,
        action="version.register",
        entity=f"version:{model.name}/{version.version}",
        federation_id=model.federation_id,
        after={
            **version.model_dump(mode="json", exclude={"id", "model_id", "federation_id"}),
            "champion": model.champion,
            "canary": model.canary,
        },
        why=version.note,
    )
