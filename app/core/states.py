"""State machines as tables: `NEXT[state]` is the set of states that may follow."""

from collections.abc import Mapping
from enum import StrEnum
from typing import TypeVar

from app.core.errors import IllegalTransitionError

State = TypeVar("State", bound=StrEnum)


def advance(
    what: str, table: Mapping[State, frozenset[State]], current: State, target: State
) -> State:
    """The new state, if the table allows the step.

    Raises:
        IllegalTransitionError: naming both states and the steps that are allowed.
    """
    allowed = table[current]
    if target not in allowed:
        raise IllegalTransitionError(what, current.value, target.value, tuple(sorted(allowed)))
    return target
