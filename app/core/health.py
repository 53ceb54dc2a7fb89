"""Whether the service is up, and whether it can do its work."""

from fastapi import APIRouter
from pydantic import BaseModel
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from app.core.errors import DomainError, ErrorKind
from app.core.http import DatabaseDep

router = APIRouter(tags=["health"])


class Health(BaseModel):
    """A healthy answer."""

    status: str = "ok"


@router.get("/healthz")
def alive() -> Health:
    """The process answers."""
    return Health()


class NotReadyError(DomainError):
    """The service cannot do its work yet."""

    code = "not_ready"
    kind = ErrorKind.UNAVAILABLE

    def __init__(self) -> None:
        super().__init__("The database does not answer or lacks its schema: `vigie db upgrade`.")


@router.get("/readyz")
def ready(database: DatabaseDep) -> Health:
    """The database answers and has its schema; 503 otherwise."""
    try:
        with database.read_scope() as session:
            session.connection().execute(text("SELECT 1 FROM audit_head"))
    except SQLAlchemyError as error:
        raise NotReadyError from error
    return Health()
