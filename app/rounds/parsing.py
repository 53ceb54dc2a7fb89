"""Strict JSON: one bad value spoils one record, not the push.

NaN, infinities, integers that no field could hold and duplicate keys are replaced by an `Unusable`
marker. No schema accepts a marker, so validation refuses it where it stands, under its own code.
"""

import json
from dataclasses import dataclass
from typing import Any

from app.rounds.errors import MalformedBodyError

MAX_INTEGER_DIGITS = 18


@dataclass(frozen=True)
class Unusable:
    """Stands where a value stood that cannot be used."""

    code: str
    message: str


NOT_FINITE = Unusable("not_finite", "A number must be finite; leave out what was not measured.")
HUGE_INTEGER = Unusable("huge_integer", f"An integer has at most {MAX_INTEGER_DIGITS} digits.")
DUPLICATE_KEY = Unusable("duplicate_key", "This key stands twice in one object; send it once.")


def parse(body: bytes) -> dict[str, Any]:
    """The JSON object in `body`, with `Unusable` markers for what no field may hold.

    Raises:
        MalformedBodyError: if it is not UTF-8, not JSON, nested too deep, or not an object.
    """
    try:
        tree = json.loads(
            body.decode("utf-8"),
            object_pairs_hook=_object,
            parse_constant=lambda _text: NOT_FINITE,
            parse_int=_integer,
        )
    except UnicodeDecodeError as error:
        raise MalformedBodyError(f"The body is not UTF-8 at byte {error.start}.") from error
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise MalformedBodyError(f"The body is not JSON at {where}: {error.msg}.") from error
    except RecursionError as error:
        raise MalformedBodyError("The body is nested too deep; a round has 6 levels.") from error
    if not isinstance(tree, dict):
        raise MalformedBodyError("The body must be one JSON object: an envelope with `clients`.")
    return tree


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                made[key] = DUPLICATE_KEY
            seen.add(key)
    return made


def _integer(text: str) -> int | Unusable:
    return int(text) if len(text) <= MAX_INTEGER_DIGITS else HUGE_INTEGER
