"""What lies in the spool: the parts of a round, each with its address on a line before its body.

A round is mostly one push. A large one is several chunks and the close that says how many; they are
one file, so that a crash cannot part them.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from vigie_client.bodies import Body
from vigie_client.canonical import canonical
from vigie_client.models import LONGEST_NAME, MOST_CHUNKS, PHASES, Phase


@dataclass(frozen=True)
class Address:
    """Where a push goes: what, with its attempt and chunk, the service takes once.

    ``ValueError`` for one that no service could take.
    """

    federation: str
    run: str
    round: int
    phase: Phase

    def __post_init__(self) -> None:
        if self.phase not in PHASES:
            raise ValueError(f"phase is {self.phase!r}; expected one of {', '.join(PHASES)}.")
        if not 1 <= len(self.run) <= LONGEST_NAME:
            raise ValueError(f"run has {len(self.run)} characters; expected 1 to {LONGEST_NAME}.")
        if self.round < 0:
            raise ValueError(f"round is {self.round}; expected 0 or more.")

    def __str__(self) -> str:
        return f"{self.phase} round {self.round} of run {self.run}"

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Address":
        """Read it back; ``TypeError`` or ``KeyError`` when it is none."""
        return cls(data["federation"], data["run"], data["round"], data["phase"])


@dataclass(frozen=True)
class Push:
    """One round and phase of one run, or a chunk of it, on its way to the service."""

    address: Address
    body: Body
    chunk: int | None = None  # None: the push is the whole

    def __post_init__(self) -> None:
        check_chunk(self.chunk)


@dataclass(frozen=True)
class Close:
    """How many chunks an attempt at a round has, on its way to the service."""

    address: Address
    chunks: int
    attempt: int = 1

    def __post_init__(self) -> None:
        if not (isinstance(self.chunks, int) and 1 <= self.chunks <= MOST_CHUNKS):
            raise ValueError(f"chunks is {self.chunks!r}; expected an int from 1 to {MOST_CHUNKS}.")
        if not (isinstance(self.attempt, int) and self.attempt >= 1):
            raise ValueError(f"attempt is {self.attempt!r}; expected an int from 1.")


Part = Push | Close


def check_chunk(chunk: object) -> None:
    """Raise ``ValueError`` unless ``chunk`` is a chunk's number, or ``None`` for the whole."""
    if chunk is not None and not (isinstance(chunk, int) and 0 <= chunk < MOST_CHUNKS):
        raise ValueError(f"chunk is {chunk!r}; expected an int from 0 to {MOST_CHUNKS - 1}.")


def to_bytes(parts: Sequence[Part]) -> bytes:
    """Return what the spool keeps of a round."""
    *first, last = parts
    return b"".join(
        [*(_lines(part, {"bytes": len(_body(part))}) for part in first), _lines(last, {})]
    )


def from_bytes(data: bytes) -> list[Part]:
    """Read it back; ``ValueError`` when somebody else wrote it."""
    try:
        return list(_parts(data))
    except (TypeError, KeyError, AttributeError) as error:
        raise ValueError(f"The first line is not a push's address: {error!r}") from error


def _lines(part: Part, more: Mapping[str, int]) -> bytes:
    return canonical({**_head(part), **more}) + b"\n" + _body(part)


def _head(part: Part) -> dict[str, Any]:
    said = part.address.to_json()
    if isinstance(part, Close):
        return {**said, "close": part.chunks, "attempt": part.attempt}
    chunk = {} if part.chunk is None else {"chunk": part.chunk}
    return {**said, "media_type": part.body.media_type, **chunk}


def _body(part: Part) -> bytes:
    return b"" if isinstance(part, Close) else part.body.data


def _parts(data: bytes) -> Iterator[Part]:
    start = 0
    while True:
        line = data.find(b"\n", start)
        head = json.loads(data[start:] if line < 0 else data[start:line])
        # The last one's end is the file's, so that a person may mend its body.
        start, end = line + 1, line + 1 + head["bytes"] if "bytes" in head else len(data)
        yield _part(head, data[start:end])
        if "bytes" not in head:
            return
        start = end


def _part(head: Mapping[str, Any], body: bytes) -> Part:
    address = Address.from_json(head)
    if "close" in head:
        return Close(address, head["close"], head["attempt"])
    media_type = head.get("media_type", Body.media_type)  # earlier versions named none
    return Push(address, Body(body, media_type), head.get("chunk"))
