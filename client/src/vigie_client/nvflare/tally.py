"""``Tally``: what one round's clients were asked and answered, until it is pushed."""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from vigie_client.canonical import canonical
from vigie_client.models import Phase
from vigie_client.participation import error_code, participation

log = logging.getLogger("vigie_client")

Pseudonym = Callable[[str], str]
# What tells who a record is of is the server's to say, never the client's.
_SERVERS_OWN = ("client", "status", "error_code")


@dataclass(frozen=True)
class Answer:
    """What a client sent back, and after how long; ``error`` is FLARE's return code, if any.

    ``record`` is what the client attached, whatever that is; ``None`` when it attached nothing.
    ``size`` is in bytes.
    """

    after_ms: float
    record: object = None
    error: str | None = None
    size: int = 0


@dataclass
class Tally:
    """One round of one phase: ``number`` is FLARE's, from 0. Times of asking are in seconds.

    ``bytes_down`` is what the tasks had, all together.
    """

    number: int
    phase: Phase
    available: int
    started_at: datetime
    asked: dict[str, float] = field(default_factory=dict)
    answers: dict[str, Answer] = field(default_factory=dict)
    bytes_down: int = 0

    def participation(self) -> dict[str, Any]:
        """Return the block of that name of the wire format."""
        answers = self.answers.values()
        errors = [answer.error for answer in answers if answer.error]
        return participation(
            available=self.available,
            sampled=len(self.asked),
            replied=len(answers) - len(errors),
            errors=errors,
            latencies_ms=[answer.after_ms for answer in answers if not answer.error],
            bytes_up=sum(answer.size for answer in answers),
            bytes_down=self.bytes_down,
        )

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
        return {"status": "error", "error_code": error_code(answer.error), "num_examples": 0}
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
