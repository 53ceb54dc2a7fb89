"""``Tally``: who was asked in one round, who answered what, and what Vigie is told of it."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from vigie_client.models import Phase

_LONGEST_CODE = 63
# What tells how a client did is the server's to say, never the client's.
_SERVERS_OWN = ("status", "error_code")


@dataclass(frozen=True)
class Answer:
    """What one node sent back: its record, if it attached one, or the name of its error.

    ``node`` is ``None`` where the framework does not tell whose failure it was.
    """

    node: str | None
    record: Mapping[str, Any] | None = None
    error: str | None = None


@dataclass(frozen=True)
class Tally:
    """One round of one phase: ``asked`` are node ids; ``started`` is a monotonic time."""

    run: str
    number: int
    phase: Phase
    available: int
    asked: tuple[str, ...]
    started: float

    def participation(self, answers: Sequence[Answer]) -> dict[str, Any]:
        """Return the block of that name of the wire format."""
        errors = Counter(code(answer.error) for answer in answers if answer.error)
        replied = sum(1 for answer in answers if not answer.error)
        silent = len(self.asked) - replied - errors.total()
        return {
            "available": max(self.available, len(self.asked)),
            "sampled": len(self.asked),
            "replied": replied,
            "timed_out": max(silent, 0),
            "errors": dict(errors),
        }

    def records(
        self, answers: Sequence[Answer], pseudonyms: Mapping[str, str]
    ) -> list[dict[str, Any]]:
        """Return the records of those that answered, and of the others as far as they are known.

        ``pseudonyms`` are those that nodes gave in this run. A node that never told its own cannot
        be named: it counts in ``participation`` alone.
        """
        told = {answer.node: answer for answer in answers if answer.node is not None}
        said = [{**_own(one.record), "status": "ok"} for one in told.values() if one.record]
        lost = [
            {"client": pseudonyms[node], "num_examples": 0, **_failure(told.get(node))}
            for node in self.asked
            if node in pseudonyms and (node not in told or told[node].error)
        ]
        present = {record["client"] for record in said}
        return said + [record for record in lost if record["client"] not in present]


def code(error: str | None) -> str:
    """An error's name as the wire format takes it: letters, digits, dots, dashes, underscores."""
    return re.sub(r"[^A-Za-z0-9._-]", "_", f"{error}").lstrip("._-")[:_LONGEST_CODE] or "unknown"


def _own(record: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in record.items() if key not in _SERVERS_OWN}


def _failure(answer: Answer | None) -> dict[str, str]:
    if answer is None:
        return {"status": "timeout"}
    return {"status": "error", "error_code": code(answer.error)}
