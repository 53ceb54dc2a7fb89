"""All queries on the model inventory."""

from datetime import datetime
from uuid import UUID

from sqlmodel import Session, col, select

from app.registry.tables import InventoryEntry, Model


def entry_of(session: Session, model: Model) -> InventoryEntry | None:
    """What the inventory says of a model."""
    query = select(InventoryEntry).where(
        InventoryEntry.federation_id == model.federation_id, InventoryEntry.model_id == model.id
    )
    return session.exec(query).first()


def entries_of(session: Session, federation_id: UUID) -> list[tuple[Model, InventoryEntry | None]]:
    """A federation's models by name, each with its entry if it has one."""
    query = (
        select(Model, InventoryEntry)
        .join(InventoryEntry, col(InventoryEntry.model_id) == col(Model.id), isouter=True)
        .where(Model.federation_id == federation_id)
        .order_by(col(Model.name))
    )
    return [(model, entry) for model, entry in session.exec(query)]


def overdue(session: Session, at: datetime, reminded_before: datetime) -> list[InventoryEntry]:
    """Entries of all federations whose review is due, and nobody was reminded of it since."""
    query = select(InventoryEntry).where(
        InventoryEntry.next_review_at <= at,
        col(InventoryEntry.reminded_at).is_(None)
        | (col(InventoryEntry.reminded_at) <= reminded_before)
        | (col(InventoryEntry.reminded_at) < col(InventoryEntry.next_review_at)),
    )
    return list(session.exec(query.order_by(col(InventoryEntry.model_id)).with_for_update()))


def entry_with_id(session: Session, model_id: UUID) -> InventoryEntry | None:
    """An entry by its model's id alone, for work that a committed row asked for."""
    return session.get(InventoryEntry, model_id)
