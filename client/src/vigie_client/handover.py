"""What ``push`` leaves for the thread behind it: a round as the caller gave it, frozen.

Encoding a thousand clients' records takes some ten milliseconds, a copy of them one or two. So the
caller pays for the copy alone, which goes straight to a file: what is in it can no longer be
changed, nor lost with the process.

The copy is a pickle of plain values only. Reading it can make nothing else, whoever wrote the
file: names of classes and functions are refused, but for six of Python's own types.
"""

import io
import json
import pickle
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from vigie_client.canonical import canonical
from vigie_client.push import Address

_PROTOCOL = 5  # of Python 3.8 and later
_PLAIN: dict[str, type] = {kind.__name__: kind for kind in (bool, int, float, str, dict, list)}


@dataclass(frozen=True)
class HandedOver:
    """A round between the caller and the spool.

    ``span`` is when the round started and ended by this machine's clock (seconds since 1970), where
    the library is to write that into the body; ``None`` where the caller did. ``chunk`` is which
    chunk of the round it is, ``None`` for the whole. With ``close``, ``content`` is how many there
    are of which attempt.
    """

    address: Address
    content: Mapping[str, Any]
    span: tuple[float, float] | None = None
    chunk: int | None = None
    close: bool = False

    def to_bytes(self) -> bytes:
        """Return a copy of everything; ``ValueError`` names a value that no body can hold.

        NaN, infinities and bytes are found only when the body is encoded.
        """
        head = canonical(
            {
                "address": self.address.to_json(),
                "span": self.span,
                "chunk": self.chunk,
                "close": self.close,
            }
        )
        return head + b"\n" + _frozen(self.content)

    @classmethod
    def from_bytes(cls, data: bytes) -> "HandedOver":
        """Read it back; ``ValueError`` when it is not what ``to_bytes`` gave."""
        head, _, frozen = data.partition(b"\n")
        try:
            said = json.loads(head)
            span = said["span"] and (float(said["span"][0]), float(said["span"][1]))
            address, chunk, close = said["address"], said.get("chunk"), said.get("close", False)
            return cls(Address.from_json(address), _thawed(frozen), span, chunk, close)
        except (TypeError, KeyError, IndexError) as error:
            raise ValueError(f"The first line is not a round's address: {error!r}") from error


class _Freezer(pickle.Pickler):
    def reducer_override(self, value: object) -> Any:  # noqa: ANN401 - NotImplemented has no type
        """Turn what is a number, text, list or dict in all but its class into just that."""
        if isinstance(value, type) and value in _PLAIN.values():
            return NotImplemented
        if isinstance(value, (np.generic, np.ndarray)):
            value = value.tolist()
        plain = _plain(value)
        return (type(plain), (plain,))


def _plain(value: object) -> object:
    if isinstance(value, bool):
        return value
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value)
    if isinstance(value, (list, tuple)):
        return list(value)
    if isinstance(value, dict):
        return dict(value)
    raise pickle.PicklingError(f"{type(value).__name__} is no plain value")


class _Thawer(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> type:
        """Know six types and nothing else."""
        if module != "builtins" or name not in _PLAIN:
            raise pickle.UnpicklingError(f"{module}.{name} has no place in a round")
        return _PLAIN[name]


def _frozen(content: Mapping[str, Any]) -> bytes:
    buffer = io.BytesIO()
    try:
        _Freezer(buffer, _PROTOCOL).dump(dict(content))
    except (pickle.PicklingError, TypeError, RecursionError) as error:
        canonical(dict(content))  # names the field
        raise ValueError(f"The body cannot be copied: {error}") from error
    return buffer.getvalue()


def _thawed(frozen: bytes) -> dict[str, Any]:
    try:
        content = _Thawer(io.BytesIO(frozen)).load()
    except Exception as error:  # a broken pickle raises nearly anything
        raise ValueError(f"The copy of the round cannot be read: {error!r}") from error
    return dict(content)
