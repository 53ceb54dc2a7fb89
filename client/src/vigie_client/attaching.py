"""Attaching a client's record to its reply, which has to go off whatever becomes of the record."""

import logging
from collections.abc import Callable, Mapping
from typing import Any

log = logging.getLogger("vigie_client")

Record = Mapping[str, Any] | Callable[[], Mapping[str, Any]]
"""A client's record, or a function that makes it."""


def attached(record: Record, attach: Callable[[Mapping[str, Any]], None]) -> None:
    """Make the record if it is to be made, and ``attach`` it; what either raises is logged."""
    try:
        attach(record() if callable(record) else record)
    except Exception:  # whatever is wrong with the record, training goes on
        log.exception("The record cannot be attached; the reply goes without it")
