"""What becomes different from one policy to another."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from app.federations.policy.document import Policy, document_of


@dataclass(frozen=True)
class Change:
    """One field that differs; None on the side that does not have it."""

    field: str
    before: Any
    after: Any


def changes(before: Policy, after: Policy) -> list[Change]:
    """Every field that differs, by its dotted name; a subject that is new is one change."""
    return list(_changes("", document_of(before), document_of(after)))


def _changes(field: str, before: object, after: object) -> Iterator[Change]:
    if isinstance(before, dict) and isinstance(after, dict):
        for name in sorted(before.keys() | after.keys()):
            dotted = f"{field}.{name}" if field else name
            yield from _changes(dotted, before.get(name), after.get(name))
    elif before != after:
        yield Change(field, before, after)
