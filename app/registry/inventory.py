"""The inventory: what each model is for, who answers for it, and when it is looked at next."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlmodel import Session

from app.audit import service as audit
from app.core import clock, outbox
from app.core.errors import NotFoundError
from app.federations.tables import Federation
from app.registry import inventory_repository, repository
from app.registry.criticality import Criticality, assess, faults
from app.registry.errors import (
    FourEyesError,
    NotDescribedError,
    OwnValidatorError,
    UnansweredError,
)
from app.registry.inventory_schemas import InventoryIn, InventoryOut, ReviewIn
from app.registry.tables import InventoryEntry, Model
from app.registry.versions import model_named

REMIND = "incidents.announce_review"
FIRST_REVIEW = timedelta(days=30)  # after a model was described, if it was never reviewed
REMIND_EVERY = timedelta(days=7)


def describe(
    session: Session, federation: Federation, model_name: str, body: InventoryIn, actor: str
) -> InventoryOut:
    """Say what a model is for and how critical; when it is reviewed next follows from that.

    Raises:
        NotFoundError: if there is no such model.
        OwnValidatorError: if its validator is its owner or developer.
        UnansweredError: if a question is not answered, or not with one of its answers.
    """
    wrong = faults(body.answers)
    if wrong:
        raise UnansweredError(wrong)
    if body.validator in (body.owner, body.developer):
        raise OwnValidatorError(body.validator)
    model = repository.locked_model(session, model_named(session, federation.id, model_name).id)
    entry = inventory_repository.entry_of(session, model)
    before = None if entry is None else _audited(entry)
    entry = _written(model, entry, body, actor)
    session.add(entry)
    session.flush()
    _audit(session, model, "describe", actor, before, _audited(entry))
    return inventory_of_model(session, federation.id, model_name)


def review(
    session: Session, federation: Federation, model_name: str, body: ReviewIn, actor: str
) -> InventoryOut:
    """Note a review; the next one is due after the time that the model's class gives it.

    Raises:
        NotFoundError: if there is no such model.
        NotDescribedError: if nobody said what the model is for.
        FourEyesError: if the reviewer owns or develops the model.
    """
    model = repository.locked_model(session, model_named(session, federation.id, model_name).id)
    entry = inventory_repository.entry_of(session, model)
    if entry is None:
        raise NotDescribedError(model_name)
    if actor in (entry.owner, entry.developer):
        raise FourEyesError(actor, "owns or develops this model")
    before = _reviewed(entry)
    entry.last_review_at, entry.last_review_by = clock.now(), actor
    entry.last_review_outcome, entry.last_review_note = body.outcome, body.note
    entry.next_review_at = clock.now() + timedelta(days=entry.review_every_days)
    session.add(entry)
    _audit(session, model, "review", actor, before, _reviewed(entry), body.note)
    return inventory_of_model(session, federation.id, model_name)


def inventory_of(session: Session, federation_id: UUID) -> list[InventoryOut]:
    """Every model of a federation, by name, those that nobody described among them."""
    found = inventory_repository.entries_of(session, federation_id)
    at = clock.now()
    fed_by = _fed_by(found)
    return [InventoryOut.of(m.name, entry, at, fed_by.get(m.name, [])) for m, entry in found]


def inventory_of_model(session: Session, federation_id: UUID, model_name: str) -> InventoryOut:
    """What is known of one model.

    Raises:
        NotFoundError: if there is no such model.
    """
    model_named(session, federation_id, model_name)
    found = inventory_of(session, federation_id)
    return next(one for one in found if one.model == model_name)


def criticality_of(session: Session, federation_id: UUID, model_name: str) -> Criticality | None:
    """How critical a model is; None while nobody answered the questions, or without the model."""
    model = repository.model_named(session, federation_id, model_name)
    entry = None if model is None else inventory_repository.entry_of(session, model)
    return None if entry is None else Criticality(entry.criticality)


def developer_of(session: Session, model: Model) -> str | None:
    """Who develops a model, as its entry names them; None while it has none."""
    entry = inventory_repository.entry_of(session, model)
    return None if entry is None else entry.developer


def remind(session: Session) -> int:
    """Have people told of overdue reviews, again every week; return of how many."""
    at: datetime = clock.now()
    found = inventory_repository.overdue(session, at, at - REMIND_EVERY)
    for entry in found:
        entry.reminded_at = at
        session.add(entry)
        outbox.enqueue(session, REMIND, entry.model_id, step=at.isoformat())
    return len(found)


def overdue_entry(session: Session, model_id: UUID) -> tuple[InventoryEntry, str]:
    """The entry that a reminder is about, with its model's name."""
    entry = inventory_repository.entry_with_id(session, model_id)
    if entry is None:
        raise NotFoundError("model in the inventory", model_id)
    return entry, repository.model_with_id(session, model_id).name


def _written(
    model: Model, entry: InventoryEntry | None, body: InventoryIn, actor: str
) -> InventoryEntry:
    assessed = assess(body.answers)
    at = clock.now()
    last = None if entry is None else entry.last_review_at
    first_due = at + min(FIRST_REVIEW, assessed.review_every)
    told: dict[str, Any] = {
        **body.model_dump(),
        "materiality": assessed.materiality,
        "risk": assessed.risk,
        "criticality": assessed.criticality.value,
        "review_every_days": assessed.review_every.days,
        "changed_at": at,
        "changed_by": actor,
    }
    if entry is None:
        told |= {"model_id": model.id, "federation_id": model.federation_id}
        return InventoryEntry(**told, next_review_at=first_due)
    entry.sqlmodel_update(told)
    if last is not None:
        entry.next_review_at = last + assessed.review_every
    else:
        entry.next_review_at = min(entry.next_review_at, first_due)
    return entry


def _fed_by(found: list[tuple[Model, InventoryEntry | None]]) -> dict[str, list[str]]:
    """By model, the models whose answers it takes: what reaches it when one of them drifts."""
    sources: dict[str, list[str]] = {}
    for model, entry in found:
        for fed in entry.feeds if entry else ():
            sources.setdefault(fed, []).append(model.name)
    return sources


def _reviewed(entry: InventoryEntry) -> dict[str, Any]:
    shown = {"last_review_at", "last_review_by", "last_review_outcome", "next_review_at"}
    return entry.model_dump(mode="json", include=shown)


def _audited(entry: InventoryEntry) -> dict[str, Any]:
    return entry.model_dump(mode="json", exclude={"model_id", "federation_id", "reminded_at"})


def _audit(
    session: Session,
    model: Model,
    verb: str,
    actor: str,
    before: dict[str, Any] | None,
    after: dict[str, Any],
    why: str | None = None,
) -> None:
    audit.record(
        session,
        actor=actor,
        action=f"inventory.{verb}",
        entity=f"model:{model.name}",
        federation_id=model.federation_id,
        before=before,
        after=after,
        why=why,
    )
