"""Which errors mean that MLflow cannot be asked at present, and nothing about the work itself."""

from sqlalchemy.exc import InterfaceError, OperationalError

# What MLflow's client makes of a server that is gone, answers 5xx or 429, or of a database that is.
_CODES = frozenset(
    {"INTERNAL_ERROR", "TEMPORARILY_UNAVAILABLE", "DEADLINE_EXCEEDED", "REQUEST_LIMIT_EXCEEDED"}
)


def is_outage(error: Exception) -> bool:
    """Whether MLflow, its database or the way there is out.

    It goes by MLflow's code of an error, so that MLflow, which takes seconds, is not imported here.
    """
    if isinstance(error, ConnectionError | TimeoutError | OperationalError | InterfaceError):
        return True
    return getattr(error, "error_code", None) in _CODES
