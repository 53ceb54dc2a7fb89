"""The hash-chained audit log: append, read, verify.

Each entry's hash is SHA-256 over the hash before it and the entry's own content as canonical JSON,
so that an edit, a deletion or a reordering breaks every hash after it. A chain that lost its end is
still a chain: the head row tells, and against somebody who edits that too, a checkpoint kept
elsewhere.
"""

import hashlib
import json
from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlmodel import Session

from app.audit import repository
from app.audit.errors import BrokenChainError
from app.audit.schemas import Checkpoint
from app.audit.tables import AuditEntry
from app.core import clock

GENESIS = "0" * 64


class Actor(str):
    """The name of who acts, with the id of the person or key behind it.

    A name may be anybody's; `id` (`person:<id>` or `key:<id>`) is one person's or one key's.
    `login` is the person's, of a key too where it is known whose that is.
    """

    id: str
    login: str | None

    def __new__(cls, name: str, actor_id: str, login: str | None = None) -> "Actor":
        """A name that knows whose it is."""
        made = super().__new__(cls, name)
        made.id, made.login = actor_id, login
        return made


def record(
    session: Session,
    *,
    actor: str,
    action: str,
    entity: str,
    federation_id: UUID | None = None,
    before: dict[str, Any] | None = None,
    after: dict[str, Any] | None = None,
    why: str | None = None,
) -> None:
    """Append one entry, in the transaction of the mutation that it tells of.

    `action` is `<domain>.<verb>`, `entity` is `<kind>:<id>`; `before` and `after` hold JSON values.
    An `Actor`'s id is kept beside the name.
    """
    session.flush()  # what it tells of comes first
    seq, last = repository.locked_head(session) or repository.begin(session, 0, GENESIS)
    entry = AuditEntry(
        seq=seq + 1,
        at=clock.now(),
        federation_id=federation_id,
        actor=str(actor),
        actor_id=actor.id if isinstance(actor, Actor) else None,
        action=action,
        entity=entity,
        before=before,
        after=after,
        why=why,
        previous_hash=last,
        hash="",
    )
    entry.hash = entry_hash(entry)
    repository.append(session, entry)


def entry_hash(entry: AuditEntry) -> str:
    """SHA-256 (hex) of the entry's content chained to the hash before it."""
    content = {
        "seq": entry.seq,
        "at": _canonical_time(entry.at),
        "federation_id": str(entry.federation_id) if entry.federation_id else None,
        "actor": entry.actor,
        "action": entry.action,
        "entity": entry.entity,
        "before": _canonical(entry.before),
        "after": _canonical(entry.after),
        "why": entry.why,
    }
    if entry.actor_id is not None:  # entries from before there were ids have none in their hash
        content["actor_id"] = entry.actor_id
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(f"{entry.previous_hash}\n{canonical}".encode()).hexdigest()


def verify(session: Session, checkpoint: Checkpoint | None = None) -> Checkpoint:
    """Walk the whole chain; return where it ends.

    Raises:
        BrokenChainError: at the first entry that was edited, removed, moved or cut off, the last of
            these against the head row and, if given, an exported checkpoint.
    """
    end = walk(repository.in_order(session), checkpoint)
    check_head(session, end)
    return end


def walk(entries: Iterable[AuditEntry], checkpoint: Checkpoint | None = None) -> Checkpoint:
    """Follow the chain from its first entry; return where it ends.

    Raises:
        BrokenChainError: where an entry does not follow, or the chain is not the checkpoint's.
    """
    seq, last = 0, GENESIS
    for entry in entries:
        check_link(entry, seq + 1, last)
        seq, last = entry.seq, entry.hash
        if checkpoint is not None and seq == checkpoint.seq and last != checkpoint.hash:
            raise BrokenChainError(seq, "its hash differs from the checkpoint's")
    if checkpoint is not None and checkpoint.seq > seq:
        raise BrokenChainError(seq + 1, f"the checkpoint knows {checkpoint.seq} entries")
    return Checkpoint(seq=seq, hash=last)


def check_head(session: Session, end: Checkpoint) -> None:
    """Refuse a chain that does not end where its head row says."""
    head = repository.head(session)
    check_end(end, Checkpoint(seq=head.seq if head else 0, hash=head.hash if head else GENESIS))


def check_end(end: Checkpoint, told: Checkpoint) -> None:
    """Refuse a chain that does not end where it should.

    Raises:
        BrokenChainError: if entries were cut off, or added.
    """
    if end.seq < told.seq:
        raise BrokenChainError(end.seq + 1, f"there were {told.seq} entries, and it was cut off")
    if (end.seq, end.hash) != (told.seq, told.hash):
        raise BrokenChainError(end.seq, "the chain does not end where its head says")


def newest(
    session: Session,
    federation_id: UUID | None,
    *,
    limit: int = 100,
    before: int | None = None,
    actor: str = "",
    action: str = "",
) -> list[AuditEntry]:
    """The newest entries, newest first; page on with the last one's `seq` as `before`.

    Of one actor, and of actions that begin so, where asked.
    """
    return repository.newest(session, federation_id, limit, before, actor, action)


def check_link(entry: AuditEntry, expected_seq: int, previous_hash: str) -> None:
    """Refuse an entry that does not follow the one before it, or is not what was written."""
    if entry.seq != expected_seq:
        raise BrokenChainError(expected_seq, "it is missing")
    if entry.previous_hash != previous_hash:
        raise BrokenChainError(entry.seq, "it does not follow the entry before it")
    if entry.hash != entry_hash(entry):
        raise BrokenChainError(entry.seq, "its content was edited")


def _canonical_time(at: datetime) -> str:
    return at.isoformat(timespec="microseconds")


def _canonical(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    """The value with whole numbers as integers: JSONB hands 1e22 back as one, and -0.0 as 0."""
    if isinstance(value, dict):
        return {key: _canonical(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_canonical(inner) for inner in value]
    if isinstance(value, float) and value.is_integer():
        return int(Decimal(repr(value)))  # 1.7e308 is 17 and zeros there, not the nearest binary
    return value
