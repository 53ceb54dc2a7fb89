"""All queries on models, versions and promotions."""

from collections.abc import Collection
from datetime import datetime
from uuid import UUID

from sqlalchemy import func
from sqlmodel import Session, col, select

from app.core.database import insert_unless_there
from app.registry.tables import (
    CanaryLook,
    CohortChampion,
    Deviation,
    LoggedRound,
    Model,
    ModelVersion,
    Promotion,
    PromotionApproval,
    PromotionComment,
)
from app.rounds.tables import Round

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


def model_if_any(session: Session, model_id: UUID) -> Model | None:
    """A model by id alone."""
    return session.get(Model, model_id)


def candidate_of(session: Session, promotion: Promotion) -> ModelVersion:
    """The version that a promotion was drafted of; versions stay."""
    query = select(ModelVersion).where(
        ModelVersion.model_id == promotion.model_id, ModelVersion.version == promotion.candidate
    )
    return session.exec(query).one()


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


def all_models(session: Session) -> list[Model]:
    """Every model of every federation, for work of the installation itself."""
    return list(session.exec(select(Model).order_by(col(Model.id))))


def mirrored_models(session: Session) -> list[Model]:
    """Every model of which MLflow has been told, and nothing since that is not certain."""
    query = select(Model).where(col(Model.mirrored_at).is_not(None))
    found = session.exec(query.order_by(col(Model.id)))
    return [model for model in found if model.mirrored is not None]


def models_of_subjects(session: Session, subjects: Collection[UUID]) -> set[UUID]:
    """The models of the versions and promotions with these ids."""
    if not subjects:
        return set()
    versions = select(ModelVersion.model_id).where(col(ModelVersion.id).in_(subjects))
    promotions = select(Promotion.model_id).where(col(Promotion.id).in_(subjects))
    return {*session.exec(versions), *session.exec(promotions)}


def open_deviations(session: Session, model: Model) -> list[Deviation]:
    """What of a model deviates in MLflow, oldest first."""
    query = select(Deviation).where(
        Deviation.federation_id == model.federation_id,
        Deviation.model_id == model.id,
        col(Deviation.resolved_at).is_(None),
    )
    return list(session.exec(query.order_by(col(Deviation.detected_at), col(Deviation.id))))


def deviating_versions(session: Session, model: Model) -> set[str]:
    """The versions of a model that deviate in MLflow; all of them where the model is gone."""
    found = open_deviations(session, model)
    if any(one.kind == "model_deleted" for one in found):
        return {version.version for version in versions_of(session, model)}
    return {one.version for one in found if one.version}


def deviation_with_id(session: Session, deviation_id: UUID) -> Deviation | None:
    """A deviation by id alone, for work that a committed row asked for."""
    return session.get(Deviation, deviation_id)


def deviations_of(session: Session, federation_id: UUID, limit: int) -> list[tuple[Deviation, str]]:
    """A federation's deviations with their models' names: the open ones, then the newest."""
    query = (
        select(Deviation, Model.name)
        .join(Model, col(Model.id) == col(Deviation.model_id))
        .where(Deviation.federation_id == federation_id)
        .order_by(col(Deviation.resolved_at).is_not(None), col(Deviation.detected_at).desc())
    )
    return [(deviation, name) for deviation, name in session.exec(query.limit(limit))]


def rounds_to_log(
    session: Session, of: Round, limit: int
) -> list[tuple[Round, LoggedRound | None]]:
    """The judged rounds of a round's run and model that MLflow does not know as they are now."""
    query = (
        select(Round, LoggedRound)
        .join(LoggedRound, col(LoggedRound.round_id) == col(Round.id), isouter=True)
        .where(
            Round.federation_id == of.federation_id,
            Round.run == of.run,
            Round.model == of.model,
            col(Round.state) != "superseded",
            col(Round.evaluated_at).is_not(None),
            col(LoggedRound.round_id).is_(None)
            | (col(LoggedRound.evaluated_at) != col(Round.evaluated_at)),
        )
        .order_by(col(Round.number), col(Round.phase))
    )
    return [(round_, logged) for round_, logged in session.exec(query.limit(limit))]


def logged_round(session: Session, round_id: UUID) -> LoggedRound | None:
    """What MLflow knows of a round."""
    return session.get(LoggedRound, round_id)


def mlflow_runs(session: Session, model: Model) -> dict[str, str]:
    """MLflow's run of each of a model's runs that was logged."""
    query = select(LoggedRound.run, LoggedRound.mlflow_run).where(
        LoggedRound.federation_id == model.federation_id, LoggedRound.model == model.name
    )
    return dict(session.exec(query.distinct()).all())


def applied_last(session: Session, model: Model, candidate: str) -> Promotion | None:
    """The newest promotion in force that made a version the model's champion."""
    query = select(Promotion).where(
        Promotion.federation_id == model.federation_id,
        Promotion.model_id == model.id,
        Promotion.candidate == candidate,
        Promotion.cohort == "",
        Promotion.state == "applied",
    )
    return session.exec(query.order_by(col(Promotion.applied_at).desc())).first()


def expired_promotions(session: Session, at: datetime) -> list[Promotion]:
    """The promotions that still await a decision after their time."""
    query = select(Promotion).where(
        Promotion.state == "awaiting_review", col(Promotion.expires_at) <= at
    )
    return list(session.exec(query.order_by(col(Promotion.created_at))))


def approvals_of(session: Session, promotion: Promotion) -> list[PromotionApproval]:
    """Who approved a promotion, in their order."""
    query = select(PromotionApproval).where(
        PromotionApproval.promotion_id == promotion.id,
        PromotionApproval.federation_id == promotion.federation_id,
    )
    return list(session.exec(query.order_by(col(PromotionApproval.at), col(PromotionApproval.id))))


def comments_of(session: Session, promotion: Promotion) -> list[PromotionComment]:
    """What was said of a promotion, in its order."""
    query = select(PromotionComment).where(
        PromotionComment.promotion_id == promotion.id,
        PromotionComment.federation_id == promotion.federation_id,
    )
    return list(session.exec(query.order_by(col(PromotionComment.at), col(PromotionComment.id))))


def cohort_champions(session: Session, model: Model) -> list[CohortChampion]:
    """The model's cohorts that have, or had, a champion of their own, by name."""
    query = select(CohortChampion).where(
        CohortChampion.federation_id == model.federation_id, CohortChampion.model_id == model.id
    )
    return list(session.exec(query.order_by(col(CohortChampion.cohort))))


def cohort_champion(session: Session, model: Model, cohort: str) -> CohortChampion | None:
    """A cohort's own champion, or that it had one."""
    query = select(CohortChampion).where(
        CohortChampion.federation_id == model.federation_id,
        CohortChampion.model_id == model.id,
        CohortChampion.cohort == cohort,
    )
    return session.exec(query).first()


def rollback_since(
    session: Session, model: Model, candidate: str, since: datetime
) -> Promotion | None:
    """A proposal to go back to a version that was made since then, whatever became of it."""
    query = select(Promotion).where(
        Promotion.federation_id == model.federation_id,
        Promotion.model_id == model.id,
        Promotion.kind == "rollback",
        Promotion.candidate == candidate,
        col(Promotion.created_at) >= since,
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


def promotions_about(session: Session, model: Model, version: str) -> list[Promotion]:
    """The promotions that a version asked for, newest first; drafts are nobody's business yet."""
    query = select(Promotion).where(
        Promotion.federation_id == model.federation_id,
        Promotion.model_id == model.id,
        Promotion.candidate == version,
        Promotion.state != "draft",
    )
    return list(session.exec(query.order_by(col(Promotion.created_at).desc())))
