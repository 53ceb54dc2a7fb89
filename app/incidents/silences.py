"""Decisions on silences."""

from uuid import UUID

from sqlmodel import Session

from app.audit import service as audit
from app.core import clock
from app.core.errors import DomainError, NotFoundError
from app.federations.names import DISPLAYED, PSEUDONYM, WITHDRAWN, Naming
from app.federations.tables import Federation
from app.incidents import matching, repository
from app.incidents.schemas import SilenceIn
from app.incidents.tables import Silence

REAL_NAMES = Naming(None)


class SilenceOverError(DomainError):
    """A silence that would have ended before it is made."""

    code = "silence_over"

    def __init__(self) -> None:
        super().__init__("This silence would be over already; let `ends_at` lie in the future.")


def silence(
    session: Session,
    federation: Federation,
    body: SilenceIn,
    actor: str,
    naming: Naming = REAL_NAMES,
) -> Silence:
    """Send no notices for incidents that match, until the silence ends.

    An incident that is still open and not taken on when it ends is told of after all. `naming` is
    how the caller knows clients: a display name stands for the client of an incident.

    Raises:
        SilenceOverError: if it would be over already.
        MatchesEverythingError: if every incident would match.
        BadMatcherError: if an expression cannot be understood.
    """
    at = clock.now()
    if body.ends_at <= max(at, body.starts_at or at):
        raise SilenceOverError
    matching.require_selective(body.matchers.values(), body.expressions)
    made = Silence(
        federation_id=federation.id,
        kind=body.kind,
        matchers=_matchers(session, federation, body, naming),
        expressions=body.expressions,
        starts_at=body.starts_at or at,
        ends_at=body.ends_at,
        created_by=actor,
        comment=body.comment,
    )
    session.add(made)
    session.flush()
    _audit(session, made, actor, "create")
    return made


def end_silence(session: Session, federation: Federation, silence_id: UUID, actor: str) -> Silence:
    """End a silence now; one that has ended stays as it is."""
    found = repository.silence_of(session, federation.id, silence_id)
    if found is None:
        raise NotFoundError("silence", silence_id)
    at = clock.now()
    if found.starts_at < at < found.ends_at:
        found.ends_at = at
        session.add(found)
        _audit(session, found, actor, "end")
    elif found.starts_at >= at:
        session.delete(found)
        _audit(session, found, actor, "withdraw")
    return found


def silences_of(session: Session, federation: Federation) -> list[Silence]:
    """A federation's silences, the one that ends last first."""
    return repository.silences_of(session, federation.id)


def scope_of(silence: Silence) -> str:
    """The scope that its scope key, if it names one, is of: a pseudonym names a client."""
    key = silence.matchers.get("scope_key", "")
    return "client" if _names_client(key) else "cohort" if key else "federation"


def _names_client(key: str) -> bool:
    return key.startswith((PSEUDONYM, DISPLAYED, WITHDRAWN))


def _matchers(
    session: Session, federation: Federation, body: SilenceIn, naming: Naming
) -> dict[str, str]:
    matchers = {str(name): value for name, value in body.matchers.items()}
    if matchers.get("scope_key", "").startswith(DISPLAYED):
        known = repository.clients_with_incidents(session, federation.id)
        meant = {naming.of(client): client for client in known}
        matchers["scope_key"] = meant.get(matchers["scope_key"], matchers["scope_key"])
    return matchers


def _audit(session: Session, silence: Silence, actor: str, verb: str) -> None:
    audit.record(
        session,
        actor=actor,
        action=f"silence.{verb}",
        entity=f"silence:{silence.id}",
        federation_id=silence.federation_id,
        after={
            "kind": silence.kind,
            "matchers": _audited(silence),
            "expressions": silence.expressions,
            "ends_at": silence.ends_at.isoformat(),
        },
        why=silence.comment,
    )


def _audited(silence: Silence) -> dict[str, str]:
    """Its matchers without a pseudonym: the audit log is for readers who may not see clients."""
    if scope_of(silence) != "client":
        return silence.matchers
    return {**silence.matchers, "scope_key": "a client"}
