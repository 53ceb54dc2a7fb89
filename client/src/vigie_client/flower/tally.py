"""``Tally``: who was asked in one round, who answered what, and what Vigie is told of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from vigie_client.models import Phase
from vigie_client.participation import error_code, participation

# What tells how a client did is the server's to say, never the client's.
_SERVERS_OWN = ("status", "error_code")


@dataclass(frozen=True)
class Asked:
    """A node that was asked: with how many bytes, and when (seconds since 1970) if that is told."""

    node: str
    size: int = 0
    at: float | None = None


@dataclass(frozen=True)
class Answer:
    """What one node sent back: its record, if it attached one, or the name of its error.

    ``node`` is ``None`` where the framework does not tell whose failure it was. ``size`` is in
    bytes; ``at`` is when the reply was made (seconds since 1970, by the node's clock), if told.
    """

    node: str | None
    record: Mapping[str, Any] | None = None
    error: str | None = None
    size: int = 0
    at: float | None = None


@dataclass(frozen=True)
class Tally:
    """One round of one phase; ``started`` is a monotonic time."""

    run: str
    number: int
    phase: Phase
    available: int
    asked: tuple[Asked, ...]
    started: float

    def participation(self, answers: Sequence[Answer], ended: float) -> dict[str, Any]:
        """Return the block of that name of the wire format; ``ended`` in seconds since 1970."""
        return participation(
            available=self.available,
            sampled=len(self.asked),
            replied=sum(1 for answer in answers if not answer.error),
            errors=[answer.error for answer in answers if answer.error],
            latencies_ms=self._latencies_ms(answers, ended),
            bytes_up=sum(answer.size for answer in answers),
            bytes_down=sum(asked.size for asked in self.asked),
        )

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
            for node in (asked.node for asked in self.asked)
            if node in pseudonyms and (node not in told or told[node].error)
        ]
        present = {record["client"] for record in said}
        return said + [record for record in lost if record["client"] not in present]

    def _latencies_ms(self, answers: Sequence[Answer], ended: float) -> list[float]:
        """From asking a node until its reply was made, where the node's clock can be believed.

        A reply was made after its node was asked, and before the round was over.
        """
        since = {asked.node: asked.at for asked in self.asked if asked.at is not None}
        spans = [
            (since[answer.node], answer.at)
            for answer in answers
            if answer.node in since and answer.at is not None and not answer.error
        ]
        return [1000 * (made - asked) for asked, made in spans if asked <= made <= ended]


def _own(record: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in record.items() if key not in _SERVERS_OWN}


def _failure(answer: Answer | None) -> dict[str, str]:
    if answer is None or answer.error is None:
        return {"status": "timeout"}
    return {"status": "error", "error_code": error_code(answer.error)}
