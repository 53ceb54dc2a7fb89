"""What is being worked on: the ids that log lines, outbox rows and spans carry.

A request or a task begins a piece of work; what becomes known of it later is noted wherever that
is, in its threads too. The ids are few: never a client, a key, or anything else that was sent.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Literal
from uuid import UUID

Name = Literal["request_id", "federation", "round_id", "incident_id", "task", "row"]
CARRIED: tuple[Name, ...] = ("request_id", "federation", "round_id", "incident_id")
IN_PATHS: frozenset[Name] = frozenset({"round_id", "incident_id"})

# The dictionary itself is shared with the threads of the work, so that they can add to it.
_known: ContextVar[dict[str, str] | None] = ContextVar("known", default=None)


@contextmanager
def begun(known: Mapping[str, str]) -> Iterator[None]:
    """A piece of work of its own, about these; what is noted in it ends with it."""
    token = _known.set(dict(known))
    try:
        yield
    finally:
        _known.reset(token)


@contextmanager
def about(name: Name, value: UUID | None) -> Iterator[None]:
    """A part of the work that is about this too; nothing is added where it is None."""
    more: dict[str, str] = {} if value is None else {name: str(value)}
    with begun({**known(), **more}):
        yield


def note(name: Name, value: UUID | str) -> None:
    """Add what has become known of the work; outside of any, nothing happens."""
    here = _known.get()
    if here is not None:
        here[name] = str(value)


def known() -> dict[str, str]:
    """What is known of the work by now."""
    return dict(_known.get() or {})


def carried() -> dict[str, str]:
    """What goes along with work that is asked for now."""
    return {name: value for name, value in known().items() if name in CARRIED}
