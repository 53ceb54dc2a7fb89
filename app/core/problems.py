"""RFC 9457 problem details: the one place where errors become HTTP answers.

No answer echoes a value that was sent: it may be what must not be stored, or what JSON cannot hold.
"""

from http import HTTPStatus
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from sqlalchemy.exc import DataError, IntegrityError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from starlette.exceptions import HTTPException

from app.core import context
from app.core.errors import DomainError, ErrorKind, FieldError
from app.core.telling import told
from app.core.validation import field_of, message_of

MEDIA_TYPE = "application/problem+json"

log = structlog.get_logger(__name__)


class ProblemError(BaseModel):
    """One thing wrong in one field."""

    field: str = Field(examples=["clients.3.label_counts.1"])
    code: str = Field(examples=["negative_count"])
    message: str = Field(examples=["A count is at least 0 unless noise is declared."])


class Problem(BaseModel):
    """Problem details as in RFC 9457, with `errors` naming the fields."""

    type: str = Field(examples=["urn:vigie:problem:invalid_round"])
    title: str
    status: int
    detail: str
    errors: list[ProblemError] = []
    request_id: str | None = Field(
        None, description="What the service's log calls the request; also in `X-Request-ID`."
    )


def problem(
    status: int, code: str, title: str, detail: str, errors: tuple[FieldError, ...] = ()
) -> JSONResponse:
    """A problem-details answer."""
    body: dict[str, Any] = {
        "type": f"urn:vigie:problem:{code}",
        "title": title,
        "status": status,
        "detail": detail,
        "errors": [{"field": e.field, "code": e.code, "message": e.message} for e in errors],
    }
    request_id = context.known().get("request_id")
    if request_id is not None:
        body["request_id"] = request_id
    headers = {"WWW-Authenticate": "Bearer"} if status == ErrorKind.UNAUTHENTICATED.value else None
    return JSONResponse(body, status, headers, media_type=MEDIA_TYPE)


def install(app: FastAPI) -> None:
    """Map every error of the service to problem details."""
    app.add_exception_handler(DomainError, _domain_error)
    app.add_exception_handler(RequestValidationError, _validation_error)
    app.add_exception_handler(HTTPException, _http_error)
    for lost in (OperationalError, InterfaceError, PoolTimeoutError):
        app.add_exception_handler(lost, _database_unavailable)
    app.add_exception_handler(IntegrityError, _somebody_was_first)
    app.add_exception_handler(DataError, _unstorable_value)
    app.add_exception_handler(UnicodeError, _unstorable_text)


def _domain_error(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, DomainError)
    answer = problem(error.kind.value, error.code, error.title, error.message, error.errors)
    if error.retry_after is not None:
        answer.headers["Retry-After"] = str(error.retry_after)
    return answer


def _validation_error(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    errors = tuple(
        FieldError(_path(item["loc"]), item["type"], message_of(item)) for item in error.errors()
    )
    malformed = any(item["type"] == "json_invalid" for item in error.errors())
    status = ErrorKind.MALFORMED.value if malformed else ErrorKind.INVALID.value
    detail = "The request does not have the expected form; see `errors` for the fields."
    return problem(status, "invalid_request", "Invalid request", detail, errors)


def _http_error(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    phrase = HTTPStatus(error.status_code).phrase
    answer = problem(error.status_code, phrase.lower().replace(" ", "_"), phrase, error.detail)
    answer.headers.update(error.headers or {})
    return answer


def _database_unavailable(_request: Request, error: Exception) -> JSONResponse:
    if _is_full(error):
        log.error("database.full", error=told(error))
        detail = "The database has no room left; nothing was stored. Send the same again later."
        answer = problem(ErrorKind.UNAVAILABLE.value, "storage_full", "Storage full", detail)
        answer.headers["Retry-After"] = "60"
        return answer
    log.error("database.unavailable", error=told(error))
    detail = "The database does not answer; nothing was stored. Send the same request again."
    answer = problem(ErrorKind.UNAVAILABLE.value, "unavailable", "Unavailable", detail)
    answer.headers["Retry-After"] = "5"
    return answer


def _is_full(error: Exception) -> bool:
    """Whether SQLite or PostgreSQL say that the disk is full."""
    cause = getattr(error, "orig", None)
    return "disk is full" in str(cause) or getattr(cause, "sqlstate", None) == "53100"


def _somebody_was_first(_request: Request, error: Exception) -> JSONResponse:
    log.warning("database.conflict", error=told(error))
    detail = "Somebody else was first; nothing was stored. Read again and repeat."
    return problem(ErrorKind.CONFLICT.value, "conflict", "Conflict", detail)


def _unstorable_value(_request: Request, error: Exception) -> JSONResponse:
    log.warning("database.value_refused", error=told(error))
    detail = "The request holds a value that the database cannot keep, such as a NUL character."
    return problem(ErrorKind.INVALID.value, "unstorable_value", "Unstorable value", detail)


def _unstorable_text(_request: Request, _error: Exception) -> JSONResponse:
    detail = "The request holds text that is not valid Unicode; send UTF-8 without lone surrogates."
    return problem(ErrorKind.MALFORMED.value, "invalid_text", "Invalid text", detail)


def _path(location: tuple[int | str, ...]) -> str:
    return field_of(tuple(part for part in location if part != "body")) or "body"
