"""Problem details (RFC 9457): read from answers, and written beside what was refused."""

import re
from email.utils import parsedate_to_datetime
from typing import Any

import httpx

from vigie_client.canonical import canonical
from vigie_client.errors import FieldError, VigieError

_URN = "urn:vigie:problem:"
_REQUEST_ID = re.compile(r"[\w.:-]{1,64}", re.ASCII)


def error_from(response: httpx.Response) -> VigieError:
    """Return what an unsuccessful answer says, whether or not it is a problem document."""
    problem = _json_object(response)
    kind = str(problem.get("type", ""))
    status = response.status_code
    return VigieError(
        status,
        kind[len(_URN) :] if kind.startswith(_URN) else f"http_{status}",
        str(problem.get("detail") or problem.get("title") or response.reason_phrase),
        _field_errors(problem.get("errors")),
        retry_after(response.headers),
        _request_id(problem.get("request_id") or response.headers.get("X-Request-ID")),
    )


def problem_document(error: VigieError) -> bytes:
    """Return ``error`` as the problem document that it came from."""
    return canonical(
        {
            "type": f"{_URN}{error.code}",
            "status": error.status,
            "detail": error.detail,
            "errors": [
                {"field": item.field, "code": item.code, "message": item.message}
                for item in error.errors
            ],
            **({"request_id": error.request_id} if error.request_id else {}),
        }
    )


def retry_after(headers: httpx.Headers) -> float | None:
    """Return the seconds that Retry-After asks for, or ``None`` when it is absent or unreadable.

    A date is taken against the answer's own Date, so that the two clocks need not agree.
    """
    asked = headers.get("Retry-After", "").strip()
    if asked.isascii() and asked.isdigit():
        return float(asked)
    try:
        moment, now = parsedate_to_datetime(asked), parsedate_to_datetime(headers.get("Date", ""))
        return max((moment - now).total_seconds(), 0.0)
    except (TypeError, ValueError):
        return None


def _request_id(told: object) -> str | None:
    """The id if it is one that can stand in a line of a log; a proxy may say anything."""
    known = isinstance(told, str) and _REQUEST_ID.fullmatch(told)
    return str(told) if known else None


def _json_object(response: httpx.Response) -> dict[str, Any]:
    try:
        data = response.json()
    except ValueError:
        return {}
    return data if isinstance(data, dict) else {}


def _field_errors(items: object) -> tuple[FieldError, ...]:
    found = items if isinstance(items, list) else []
    return tuple(
        FieldError(str(item.get("field")), str(item.get("code")), str(item.get("message")))
        for item in found
        if isinstance(item, dict)
    )
