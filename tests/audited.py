"""What the audit log says was done, for tests."""

from sqlmodel import Session

from app.audit import service as audit


def actions(session: Session, limit: int = 30) -> list[str]:
    """The newest actions, newest first."""
    return [entry.action for entry in audit.newest(session, None, limit=limit)]
