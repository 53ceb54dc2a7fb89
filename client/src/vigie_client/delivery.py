"""One step of the reporter's thread: send the oldest push and file the answer."""

import logging
from collections.abc import Callable

from vigie_client.api import VigieApi
from vigie_client.backoff import Backoff
from vigie_client.canonical import canonical
from vigie_client.errors import VigieError, VigieUnreachable
from vigie_client.models import Receipt
from vigie_client.problems import problem_document
from vigie_client.push import Push
from vigie_client.settling import NOT_SENT
from vigie_client.spool import Spool

log = logging.getLogger("vigie_client")


class Delivery:
    """Empties a spool into the service, oldest first; a push that must wait makes the rest wait.

    Used from one thread.
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
        self.delivered = 0

    def step(self) -> float | None:
        """Send the oldest push; return the seconds to the next step, ``None`` if none is left."""
        oldest = self._spool.oldest()
        if oldest is None:
            return None
        number, data = oldest
        try:
            receipt = self._send(data)
        except VigieUnreachable as error:
            return self._postpone(error)
        except VigieError as error:
            if error.transient:
                return self._postpone(error)
            self._refuse(number, error)
        else:
            self._accept(number, receipt)
        self._failures = 0
        return 0.0

    def _send(self, data: bytes) -> Receipt:
        try:
            push = Push.from_bytes(data)
        except ValueError as error:
            raise VigieError(NOT_SENT, "unreadable_push", str(error)) from error
        address = push.address
        if address.federation != self._api.federation:
            raise VigieError(
                NOT_SENT,
                "other_federation",
                f"The push is for federation {address.federation}, the reporter for "
                f"{self._api.federation}. Replay it from a reporter for {address.federation}.",
            )
        return self._api.push_round(address.run, address.round, address.phase, push.body)

    def _postpone(self, error: VigieError | VigieUnreachable) -> float:
        self._failures += 1
        delay = self._backoff.delay(self._failures, error)
        log.warning("%d pushes wait; next try in %.1f s: %s", self._spool.pending, delay, error)
        return delay

    def _refuse(self, number: int, error: VigieError) -> None:
        self._spool.mark_refused(number, problem_document(error))
        log.error("Push %d was refused and lies in refused/: %s", number, error)

    def _accept(self, number: int, receipt: Receipt) -> None:
        self._spool.mark_delivered(number, canonical(receipt.to_json()))
        self.delivered += 1
        for refusal in receipt.refusals:
            log.warning(
                "Quarantined in %s round %d of run %s: %s: %s",
                receipt.phase, receipt.round, receipt.run, refusal.field, refusal.message,
            )  # fmt: skip
        self._tell(receipt)

    def _tell(self, receipt: Receipt) -> None:
        if self._on_receipt is None:
            return
        try:
            self._on_receipt(receipt)
        except Exception:  # the caller's code must not stop the delivery
            log.exception("on_receipt failed")
