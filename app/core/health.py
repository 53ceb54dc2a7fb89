"""Whether the service is up, and whether it can do its work."""

from fastapi import APIRouter
from pydantic import BaseModel
from sqlmodel import text

from app.core.http import ReadSession

router = APIRouter(tags=["health"])


class Health(BaseModel):
    """A healthy answer."""

    status: str = "ok"


@router.get("/healthz")
def alive() -> Health:
    """The process answers."""
    return Health()


@router.get("/readyz")
def ready(session: ReadSession) -> Health:
    """The database answers and has its schema; 503 otherwise."""
    session.exec(text("SELECT 1 FROM audit_head"))  # type: ignore[call-overload]
    return Health()
