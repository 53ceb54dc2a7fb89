"""One step behind ``push``: encode what was handed over, and make it outlast a power cut."""

import json
import logging
from collections.abc import Callable, Mapping
from typing import Any

from vigie_client.bodies import Body, encode
from vigie_client.clock import ServerClock
from vigie_client.errors import VigieError
from vigie_client.handover import HandedOver
from vigie_client.problems import problem_document
from vigie_client.push import Push
from vigie_client.spool import Spool

log = logging.getLogger("vigie_client")

# The status kept with what never left this machine.
NOT_SENT = 0


class Settling:
    """Turns a spool's newcomers into pushes; those that cannot be sent are set aside.

    Used from one thread. ``clock`` corrects the times that this library made; where it knows
    nothing when the first is to be corrected, ``ask_time`` is called, once.
    """

    def __init__(self, spool: Spool, clock: ServerClock, ask_time: Callable[[], None]) -> None:
        self._spool, self._clock, self._ask_time = spool, clock, ask_time
        self._asked = False

    def run(self) -> None:
        """Settle all that was handed over so far, oldest first."""
        while (newcomer := self._spool.newcomer()) is not None:
            self._settle(*newcomer)

    def _settle(self, number: int, data: bytes) -> None:
        try:
            round_ = HandedOver.from_bytes(data)
        except ValueError as error:
            self._set_aside(number, data, "unreadable_push", error)
            return
        content = {**round_.content, **self._times(round_.span)}
        try:
            push = Push(round_.address, encode(content))
        except ValueError as error:
            mendable = Push(round_.address, Body(_as_text(content)))
            self._set_aside(number, mendable.to_bytes(), "unsendable_body", error)
        else:
            self._spool.settle(number, push.to_bytes())

    def _set_aside(self, number: int, push: bytes, code: str, error: ValueError) -> None:
        refusal = VigieError(NOT_SENT, code, str(error))
        self._spool.set_aside(number, push, problem_document(refusal))
        log.error("Push %d cannot be sent and lies in refused/: %s", number, error)

    def _times(self, span: tuple[float, float] | None) -> dict[str, str]:
        if span is None:
            return {}
        if not self._clock.measured and not self._asked:
            self._asked = True
            self._ask_time()
        started, ended = (self._clock.moment(local).isoformat() for local in span)
        return {"started_at": started, "ended_at": ended}


def _as_text(content: Mapping[str, Any]) -> bytes:
    """What a person can mend: JSON, but for NaN, infinities and what has no JSON form."""
    return json.dumps(content, default=repr, skipkeys=True).encode()
