"""API bodies of the audit log."""

from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class AuditEntryOut(BaseModel):
    """One entry of the audit log."""

    model_config = ConfigDict(from_attributes=True)

    seq: int
    at: datetime
    actor: str
    actor_id: str | None = Field(description="`person:<id>` or `key:<id>`; null: the service.")
    action: str
    entity: str
    before: dict[str, Any] | None
    after: dict[str, Any] | None
    why: str | None
    hash: str


class Checkpoint(BaseModel):
    """How far the chain reached at one time; kept elsewhere, it shows a later truncation."""

    seq: int
    hash: str
