"""One step behind ``push``: encode what was handed over, and make it outlast a power cut."""

import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from vigie_client import push
from vigie_client.bodies import Body, Encoder
from vigie_client.clock import ServerClock
from vigie_client.envelopes import Envelopes
from vigie_client.errors import VigieError
from vigie_client.handover import HandedOver
from vigie_client.problems import problem_document
from vigie_client.push import Close, Part, Push
from vigie_client.spool import Spool

log = logging.getLogger("vigie_client")

# The status kept with what never left this machine.
NOT_SENT = 0


class Settling:
    """Turns a spool's newcomers into pushes; those that cannot be sent are set aside.

    Used from one thread. ``clock`` corrects the times that this library made; where it knows
    nothing when the first is to be corrected, ``ask_time`` is called, once.
    """

    def __init__(
        self,
        spool: Spool,
        encoder: Encoder,
        envelopes: Envelopes,
        clock: ServerClock,
        ask_time: Callable[[], None],
    ) -> None:
        self._spool, self._encoder, self._envelopes = spool, encoder, envelopes
        self._clock, self._ask_time = clock, ask_time
        self._asked = False

    def run(self) -> None:
        """Settle all that was handed over so far, oldest first."""
        while (newcomer := self._spool.newcomer()) is not None:
            self._settle(*newcomer)

    def _settle(self, number: int, data: bytes) -> None:
        try:
            round_ = self._timed(HandedOver.from_bytes(data))
        except ValueError as error:
            self._set_aside(number, data, "unreadable_push", error)
            return
        try:
            parts = self._parts(round_)
        except ValueError as error:
            mendable = Push(round_.address, Body(_as_text(round_.content)), round_.chunk)
            self._set_aside(number, push.to_bytes([mendable]), "unsendable_body", error)
        else:
            self._spool.settle(number, push.to_bytes(parts))

    def _parts(self, round_: HandedOver) -> list[Part]:
        address, content = round_.address, round_.content
        if round_.close:
            return [Close(address, content["chunks"], content["attempt"])]
        if round_.chunk is not None:
            return [Push(address, self._encoder.encode(content), round_.chunk)]
        bodies = self._encoder.encode_in_chunks(content)
        if len(bodies) == 1:
            return [Push(address, bodies[0])]
        chunks = [Push(address, body, chunk) for chunk, body in enumerate(bodies)]
        return [*chunks, Close(address, len(chunks), content.get("attempt", 1))]

    def _set_aside(self, number: int, data: bytes, code: str, error: ValueError) -> None:
        refusal = VigieError(NOT_SENT, code, str(error))
        self._spool.set_aside(number, data, problem_document(refusal))
        log.error("Push %d cannot be sent and lies in refused/: %s", number, error)

    def _timed(self, round_: HandedOver) -> HandedOver:
        """Write the service's times where the library is to; what follows later has the same."""
        if round_.span is None:
            return round_
        if not self._clock.measured and not self._asked:
            self._asked = True
            self._ask_time()
        started, ended = (self._clock.moment(local).isoformat() for local in round_.span)
        content = {**round_.content, "started_at": started, "ended_at": ended}
        timed = replace(round_, content=content, span=None)
        self._envelopes.remember(timed)
        return timed


def _as_text(content: Mapping[str, Any]) -> bytes:
    """What a person can mend: JSON, but for NaN, infinities and what has no JSON form."""
    return json.dumps(content, default=repr, skipkeys=True).encode()
