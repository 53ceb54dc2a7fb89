"""All queries on models, versions and promotions."""

from collections.abc import Collection
from uuid import UUID

from sqlalchemy import func
from sqlmodel import Session, col, select

from app.core.database import insert_unless_there
from app.registry.tables import CanaryLook, Model, ModelVersion, Promotion

OPEN = ("draft", "awaiting_review", "approved")
# Versions are integers as text: the shorter is the smaller.
_BY_NUMBER = (func.length(col(ModelVersion.version)), col(ModelVersion.version))


def model_named(session: Session, federation_id: UUID, name: str) -> Model | None:
    """A federation's model by name."""
    query = select(Model).where(Model.federation_id == federation_id, Model.name == name)
    return session.exec(query).first()


def model_with_id(session: Session, model_id: UUID) -> Model:
    """The model that a version or a promotion belongs to."""
    return session.exec(select(Model).where(Model.id == model_id)).one()


def insert_model(session: Session, model: Model) -> bool:
    """Insert a model; False, and nothing done, when another transaction was first."""
    return insert_unless_there(session, model)


def models_of(session: Session, federation_id: UUID) -> list[Model]:
    """A federation's models, by name."""
    query = select(Model).where(Model.federation_id == federation_id)
    return list(session.exec(query.order_by(col(Model.name))))


def locked_model(session: Session, model_id: UUID) -> Model:
    """The model as it is now, locked until the transaction ends."""
    query = select(Model).where(Model.id == model_id).with_for_update()
    return session.exec(query, execution_options={"populate_existing": True}).one()


def version_named(session: Session, model: Model, version: str) -> ModelVersion | None:
    """A model's version by name."""
    query = select(ModelVersion).where(
        ModelVersion.federation_id == model.federation_id,
        ModelVersion.model_id == model.id,
        ModelVersion.version == version,
    )
    return session.exec(query).first()


def version_with_id(session: Session, version_id: UUID) -> ModelVersion | None:
    """A version by id alone, for work that a committed row asked for."""
    return session.get(ModelVersion, version_id)


def versions_named(session: Session, model: Model, versions: Collection[str]) -> list[ModelVersion]:
    """A model's versions of these names, oldest first."""
    query = select(ModelVersion).where(
        ModelVersion.federation_id == model.federation_id,
        ModelVersion.model_id == model.id,
        col(ModelVersion.version).in_(versions),
    )
    return list(session.exec(query.order_by(*_BY_NUMBER)))


def version_of_weights(
    session: Session, model: Model, run: str, weights_sha256: str, retrain_request_id: UUID | None
) -> ModelVersion | None:
    """The version that this run made of these weights, for this retrain request or for none."""
    query = select(ModelVersion).where(
        ModelVersion.federation_id == model.federation_id,
        ModelVersion.model_id == model.id,
        ModelVersion.run == run,
        ModelVersion.weights_sha256 == weights_sha256,
        ModelVersion.retrain_request_id == retrain_request_id,
    )
    return session.exec(query).first()


def versions_of(session: Session, model: Model) -> list[ModelVersion]:
    """A model's versions, oldest first."""
    query = select(ModelVersion).where(
        ModelVersion.federation_id == model.federation_id, ModelVersion.model_id == model.id
    )
    return list(session.exec(query.order_by(*_BY_NUMBER)))


def count_versions(session: Session, model: Model) -> int:
    """How many versions a model has."""
    query = select(func.count()).where(ModelVersion.model_id == model.id)
    return session.exec(query).one()


def promotion_of(session: Session, federation_id: UUID, promotion_id: UUID) -> Promotion | None:
    """A federation's promotion by id."""
    query = select(Promotion).where(
        Promotion.id == promotion_id, Promotion.federation_id == federation_id
    )
    return session.exec(query).first()


def promotion_with_id(session: Session, promotion_id: UUID) -> Promotion | None:
    """A promotion by id alone, for work that a committed row asked for."""
    return session.get(Promotion, promotion_id)


def locked_promotion(session: Session, promotion_id: UUID) -> Promotion:
    """The promotion as it is now, locked until the transaction ends."""
    query = select(Promotion).where(Promotion.id == promotion_id).with_for_update()
    return session.exec(query, execution_options={"populate_existing": True}).one()


def promotions_of(session: Session, federation_id: UUID, limit: int) -> list[Promotion]:
    """A federation's promotions, newest first."""
    query = select(Promotion).where(Promotion.federation_id == federation_id)
    return list(session.exec(query.order_by(col(Promotion.created_at).desc()).limit(limit)))


def open_promotion(session: Session, model: Model) -> Promotion | None:
    """The model's promotion that is neither refused nor in force; there is one at most."""
    query = select(Promotion).where(
        Promotion.federation_id == model.federation_id,
        Promotion.model_id == model.id,
        col(Promotion.state).in_(OPEN),
    )
    return session.exec(query).first()


def was_champion(session: Session, model: Model, version: str) -> bool:
    """Whether a promotion put another version in this one's place."""
    query = select(Promotion.id).where(
        Promotion.federation_id == model.federation_id,
        Promotion.model_id == model.id,
        Promotion.champion == version,
        col(Promotion.applied_at).is_not(None),
    )
    return session.exec(query.limit(1)).first() is not None


def replace_look(session: Session, look: CanaryLook) -> None:
    """Put a round's look in the place of the one that it had."""
    session.merge(look)
