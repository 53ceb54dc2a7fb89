"""API bodies of the audit log, and the lines of its export."""

from datetime import datetime
from typing import Any
from uuid import UUID

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


class ExportedEntry(AuditEntryOut):
    """One line of an export: all that the hash is made of."""

    model_config = ConfigDict(from_attributes=True, extra="forbid")

    federation_id: UUID | None
    previous_hash: str


class Checkpoint(BaseModel):
    """How far the chain reached at one time; kept elsewhere, it shows a later truncation."""

    seq: int
    hash: str


class SignedCheckpoint(Checkpoint):
    """A checkpoint that nobody without the key can make."""

    model_config = ConfigDict(extra="forbid")

    at: datetime
    signature: str = Field(description="Ed25519, hex.")


class LastLine(BaseModel):
    """What ends an export."""

    model_config = ConfigDict(extra="forbid")

    checkpoint: SignedCheckpoint
