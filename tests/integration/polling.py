"""Waiting for what another process does: until it is seen, or a deadline passes."""

import time
from collections.abc import Callable

POLL_SECONDS = 0.005


def wait_for(what: str, seen: Callable[[], bool], seconds: float = 30.0) -> None:
    """Return as soon as `seen()`; fail, naming `what`, when it was not within `seconds`."""
    deadline = time.monotonic() + seconds
    while not seen():
        if time.monotonic() > deadline:
            raise AssertionError(f"Not seen within {seconds} seconds: {what}")
        time.sleep(POLL_SECONDS)
