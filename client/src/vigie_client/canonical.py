"""One body, one sequence of bytes: what idempotency by SHA-256 rests on."""

import json
import reprlib
from collections.abc import Iterator

_DEEPEST = 64


def canonical(value: object) -> bytes:
    """Return ``value`` as JSON: UTF-8, keys sorted, no spaces.

    Equal values give equal bytes, whatever the order in which their keys were set.

    Raises ``ValueError`` for what JSON cannot hold (NaN, infinities, other types such as numpy's,
    lone surrogates, cycles), naming the path of the first such value, as in
    ``clients.3.metrics.loss_sum``.
    """
    try:
        return _encode(value)
    except (TypeError, ValueError, RecursionError) as error:
        fault = next(_faults(value, ()), f"The body cannot be written as JSON: {error}.")
        raise ValueError(fault) from error


def _encode(value: object) -> bytes:
    text = json.dumps(
        value, allow_nan=False, ensure_ascii=False, sort_keys=True, separators=(",", ":")
    )
    return text.encode()


def _faults(value: object, path: tuple[object, ...]) -> Iterator[str]:
    name = ".".join(str(part) for part in path) or "The body"
    if not isinstance(value, (dict, list, tuple)):
        if not _encodable(value):
            yield f"{name} is {_told(value)}; expected {_EXPECTED}."
        return
    if len(path) >= _DEEPEST:
        yield f"{name} is nested more than {_DEEPEST} deep, or contains itself."
        return
    if isinstance(value, dict) and not _encodable(dict.fromkeys(value, 0)):
        yield f"The keys of {name} are not all text that UTF-8 can hold."
        return
    for key, child in value.items() if isinstance(value, dict) else enumerate(value):
        yield from _faults(child, (*path, key))


_EXPECTED = "a finite number, text, true, false, null, a list or a dict (numpy: call .tolist())"


def _encodable(value: object) -> bool:
    try:
        _encode(value)
    except (TypeError, ValueError):
        return False
    return True


def _told(value: object) -> str:
    return (
        str(value)
        if isinstance(value, float)
        else f"{reprlib.repr(value)} ({type(value).__name__})"
    )
