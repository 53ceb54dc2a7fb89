"""What to do about an answer that is no success, where the answer's own words do not say it."""

_BY_CODE = {
    "unauthenticated": "It may be revoked, or another service's: ask an owner for a new one.",
    "forbidden": "Take a key of another role; for pushes and retrain requests that is ingest.",
    "stale_attempt": "To correct the round, push it whole with an attempt above the newest.",
    "body_too_large": (
        "Give the RoundReporter the service's VIGIE_MAX_BODY_BYTES as max_body_bytes, so that "
        "rounds go in chunks; or raise it on the service, then replay_refused()."
    ),
}
# Without a problem document it was no Vigie that answered: a proxy in between, or another service.
_BY_STATUS = {
    401: "Is a proxy in between, and does it let the Authorization header through?",
    403: "Is a proxy in between, and does it let this machine through?",
    404: "Is the URL that of Vigie, with the path that a proxy gave it?",
    409: "Is the URL that of Vigie? Its own answers say with what they conflict.",
    413: (
        "A proxy in between takes smaller bodies: raise its bound, or lower max_body_bytes of the "
        "RoundReporter, so that rounds go in chunks."
    ),
}


def advice_on(status: int, code: str) -> str:
    """Return a sentence that says what to do; empty where the answer itself says it.

    ``code`` is a problem's, or ``http_<status>`` where there was no problem document.
    """
    if code == f"http_{status}":
        return _BY_STATUS.get(status, "")
    return _BY_CODE.get(code, "")
