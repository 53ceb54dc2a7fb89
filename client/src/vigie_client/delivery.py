"""One step of the reporter's thread: send the oldest push and file the answer."""

import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from vigie_client.api import VigieApi
from vigie_client.backoff import Backoff
from vigie_client.canonical import canonical
from vigie_client.errors import VigieError, VigieUnreachable
from vigie_client.models import ClosedRound, Receipt
from vigie_client.problems import problem_document
from vigie_client.push import Close, Part, from_bytes
from vigie_client.settling import NOT_SENT
from vigie_client.spool import Spool

log = logging.getLogger("vigie_client")


@dataclass
class _UnderWay:
    """A push of the spool: the parts of it that are still to be sent, and the answers so far."""

    number: int
    parts: deque[Part]
    answers: list[bytes] = field(default_factory=list)


class Delivery:
    """Empties a spool into the service, oldest first; a push that must wait makes the rest wait.

    A push of several parts is delivered when all of them are; after a crash it starts anew, and the
    service takes each part once. Used from one thread.
    """

    def __init__(
        self,
        spool: Spool,
        api: VigieApi,
        backoff: Backoff,
        on_receipt: Callable[[Receipt], None] | None,
    ) -> None:
        self._spool = spool
        self._api = api
        self._backoff = backoff
        self._on_receipt = on_receipt
        self._failures = 0
        self._under_way: _UnderWay | None = None

    def step(self) -> float | None:
        """Send the next part of the oldest push; return the seconds to the next step, or ``None``.

        ``None`` means that nothing is left.
        """
        number = self._spool.first
        if number is None:
            return None
        try:
            under_way = self._taken_up(number)
            if under_way is not None:
                self._accept(under_way, self._send(under_way.parts[0]))
        except (VigieError, VigieUnreachable) as error:
            if isinstance(error, VigieUnreachable) or error.transient:
                return self._postpone(error)
            self._refuse(number, error)
        self._failures = 0
        return 0.0

    def _taken_up(self, number: int) -> _UnderWay | None:
        """The push of this number as far as it came; ``None`` if another is first by now."""
        if self._under_way is None or self._under_way.number != number:
            oldest = self._spool.oldest()
            if oldest is None or oldest[0] != number:
                return None
            self._under_way = _UnderWay(number, deque(_read(oldest[1])))
        return self._under_way

    def _send(self, part: Part) -> Receipt | ClosedRound:
        address = part.address
        if address.federation != self._api.federation:
            raise VigieError(
                NOT_SENT,
                "other_federation",
                f"The push is for federation {address.federation}, the reporter for "
                f"{self._api.federation}. Replay it from a reporter for {address.federation}.",
            )
        where = address.run, address.round, address.phase
        if isinstance(part, Close):
            return self._api.close_round(*where, part.chunks, part.attempt)
        return self._api.push_round(*where, part.body, part.chunk)

    def _postpone(self, error: VigieError | VigieUnreachable) -> float:
        self._failures += 1
        delay = self._backoff.delay(self._failures, error)
        log.warning("%d pushes wait; next try in %.1f s: %s", self._spool.pending, delay, error)
        return delay

    def _refuse(self, number: int, error: VigieError) -> None:
        self._under_way = None
        self._spool.mark_refused(number, problem_document(error))
        log.error("Push %d was refused and lies in refused/: %s", number, error)

    def _accept(self, under_way: _UnderWay, answer: Receipt | ClosedRound) -> None:
        under_way.answers.append(canonical(answer.to_json()))
        under_way.parts.popleft()
        if not under_way.parts:
            self._under_way = None
            self._spool.mark_delivered(under_way.number, b"\n".join(under_way.answers))
        if isinstance(answer, Receipt):
            self._warn(answer)
            self._tell(answer)

    def _warn(self, receipt: Receipt) -> None:
        for refusal in receipt.refusals:
            log.warning(
                "Quarantined in %s round %d of run %s: %s: %s",
                receipt.phase, receipt.round, receipt.run, refusal.field, refusal.message,
            )  # fmt: skip

    def _tell(self, receipt: Receipt) -> None:
        if self._on_receipt is None:
            return
        try:
            self._on_receipt(receipt)
        except Exception:  # the caller's code must not stop the delivery
            log.exception("on_receipt failed")


def _read(data: bytes) -> list[Part]:
    try:
        return from_bytes(data)
    except ValueError as error:
        raise VigieError(NOT_SENT, "unreadable_push", str(error)) from error
