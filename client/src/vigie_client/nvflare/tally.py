"""``Tally``: what one round's clients were asked and answered, until it is pushed."""

import logging
import re
import statistics
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from vigie_client.canonical import canonical
from vigie_client.models import Phase

log = logging.getLogger("vigie_client")

Pseudonym = Callable[[str], str]
# What tells who a record is of is the server's to say, never the client's.
_SERVERS_OWN = ("client", "status", "error_code")
_LONGEST_CODE = 63


@dataclass(frozen=True)
class Answer:
    """What a client sent back, and after how long; ``error`` is FLARE's return code, if any.

    ``record`` is what the client attached, whatever that is; ``None`` when it attached nothing.
    """

    after_ms: float
    record: object = None
    error: str | None = None


@dataclass
class Tally:
    """One round of one phase: ``number`` is FLARE's, from 0. Times of asking are in seconds."""

    number: int
    phase: Phase
    available: int
    started_at: datetime
    asked: dict[str, float] = field(default_factory=dict)
    answers: dict[str, Answer] = field(default_factory=dict)

    def participation(self) -> dict[str, Any]:
        """Return the block of that name of the wire format; latencies in milliseconds."""
        errors = [_code(answer.error) for answer in self.answers.values() if answer.error]
        took = [answer.after_ms for answer in self.answers.values()]
        return {
            "available": max(self.available, len(self.asked)),
            "sampled": len(self.asked),
            "replied": len(self.answers) - len(errors),
            "timed_out": len(self.asked.keys() - self.answers.keys()),
            "errors": dict(Counter(errors)),
            **_percentiles(took),
        }

    def records(self, pseudonym: Pseudonym) -> list[dict[str, Any]]:
        """Return a record for every client that said something, failed or kept silent.

        A client that answered well but attached nothing, or nothing that can be sent, has none: it
        counts in ``participation``. One bad record must not cost the others theirs.
        """
        said = ((name, _said(name, self.answers.get(name))) for name in sorted(self.asked))
        return [{"client": pseudonym(name), **record} for name, record in said if record]


def _said(name: str, answer: Answer | None) -> dict[str, Any] | None:
    if answer is None:
        return {"status": "timeout", "num_examples": 0}
    if answer.error:
        return {"status": "error", "error_code": _code(answer.error), "num_examples": 0}
    record = _sendable(name, answer.record)
    own = {key: value for key, value in record.items() if key not in _SERVERS_OWN}
    return {**own, "status": "ok"} if own else None


def _sendable(name: str, record: object) -> dict[str, Any]:
    try:
        canonical(record)
    except ValueError as error:
        log.warning("The record of %s is left out: %s", name, error)
        return {}
    return record if isinstance(record, dict) else {}


def _code(error: str | None) -> str:
    """A return code as the wire format takes it: letters, digits, dots, dashes, underscores."""
    return re.sub(r"[^A-Za-z0-9._-]", "_", f"{error}").lstrip("._-")[:_LONGEST_CODE] or "unknown"


def _percentiles(took: list[float]) -> dict[str, float]:
    if not took:
        return {}
    cuts = statistics.quantiles(took * 2, n=20, method="inclusive")  # doubled: one value has none
    return {"latency_p50_ms": statistics.median(took), "latency_p95_ms": min(cuts[-1], max(took))}
