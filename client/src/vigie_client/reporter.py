"""``RoundReporter``: hands rounds to a disk spool, and a background thread sends them."""

import atexit
import logging
import os
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any

import httpx

from vigie_client import envelope
from vigie_client.api import VigieApi
from vigie_client.backoff import Backoff
from vigie_client.bodies import MOST_BYTES, MOST_RECORDS, Bulk, Encoder
from vigie_client.clock import DEFAULT_TOLERANCE, ServerClock
from vigie_client.delivery import Delivery
from vigie_client.envelopes import Envelopes
from vigie_client.handover import HandedOver
from vigie_client.models import Phase, Receipt
from vigie_client.push import Address, Close, check_chunk
from vigie_client.settling import Settling
from vigie_client.spool import Spool

log = logging.getLogger("vigie_client")

DEFAULT_BACKOFF = Backoff()
# After a failure that no retry rule foresees, such as a full disk.
_SECONDS_AFTER_TROUBLE = 60.0


class RoundReporter:
    """Pushes rounds to Vigie without ever making training wait for the network.

    ``push`` and ``report`` return once a copy of the round is in a file, which the end of the
    process, ``kill -9`` included, does not undo. A daemon thread encodes it, makes it outlast a
    power cut, and sends what lies in the spool, oldest first, retrying for ever with exponential
    backoff and full jitter, and heeding Retry-After, on lost connections, timeouts, 408, 425, 429
    and 5xx. What the service refuses for good, or no body can hold (NaN), moves to
    ``<spool>/refused/`` with the reason beside it, and ``replay_refused`` sends it again. After a
    crash the next reporter on the same spool sends what is left; sending twice is harmless, since
    the service takes the same body once.

    ``max_files`` and ``max_bytes`` bound what waits and what was refused together; nothing is ever
    dropped to make room: at the bound the newest is turned away with ``SpoolFull``, and counted.
    The newest ``receipts_kept`` receipts stay in ``<spool>/receipts/``, and the newest
    ``envelopes_kept`` rounds' envelopes, for ``labels``, in ``<spool>/envelopes/``.

    Rounds of 100 clients and more go as Arrow columns where pyarrow is installed, smaller ones as
    JSON; ``bulk`` can be ``"json"`` or ``"arrow"`` for always one of them. A round of more than
    20,000 clients, or of more than ``max_body_bytes`` before packing (the service's
    ``VIGIE_MAX_BODY_BYTES``), is sent in chunks and closed, as one push of the spool.

    ``on_receipt`` is called with every receipt, on the sending thread. A clock that is more than
    ``clock_tolerance`` seconds from the service's is logged as a warning. ``transport`` stands in
    for the network in tests.
    """

    def __init__(
        self,
        url: str,
        api_key: str,
        federation: str,
        spool: str | Path,
        *,
        max_files: int = 10_000,
        max_bytes: int = 2**30,
        receipts_kept: int = 1_000,
        envelopes_kept: int = 1_000,
        bulk: Bulk = "auto",
        max_body_bytes: int = MOST_BYTES,
        timeout: float = 10.0,
        backoff: Backoff = DEFAULT_BACKOFF,
        clock_tolerance: float = DEFAULT_TOLERANCE,
        on_receipt: Callable[[Receipt], None] | None = None,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        """Open the spool and start sending what an earlier process left in it.

        At the end of the program ``close`` is called, if it was not before. Raises ``SpoolLocked``
        when another reporter has the spool, and ``ValueError`` for a URL, key, name or bound that
        cannot work.
        """
        encoder = Encoder(bulk, max_body_bytes)
        self.clock = ServerClock(clock_tolerance)
        self._api = VigieApi(
            url, api_key, federation, timeout=timeout, clock=self.clock, transport=transport
        )
        self._spool = Spool(
            Path(spool), max_files=max_files, max_bytes=max_bytes, receipts_kept=receipts_kept
        )
        self._envelopes = Envelopes(Path(spool) / "envelopes", envelopes_kept)
        self._settling = Settling(
            self._spool, encoder, self._envelopes, self.clock, self._api.ask_time
        )
        self._delivery = Delivery(self._spool, self._api, backoff, on_receipt)
        self._process = os.getpid()
        self._closing = False
        self._idle = False
        self._due = 0.0  # the monotonic time before which nothing is sent
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="vigie-reporter", daemon=True)
        self._thread.start()
        atexit.register(self.close)

    def __repr__(self) -> str:
        return f"RoundReporter({self._api!r}, pending={self.pending}, refused={self.refused})"

    def __enter__(self) -> "RoundReporter":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    @property
    def pending(self) -> int:
        """How many pushes wait for an answer, those of earlier processes included."""
        return self._spool.pending

    @property
    def delivered(self) -> int:
        """How many pushes this reporter has delivered."""
        return self._spool.delivered

    @property
    def refused(self) -> int:
        """How many refused pushes lie in ``<spool>/refused/``."""
        return self._spool.refused

    @property
    def turned_away(self) -> int:
        """How many pushes this reporter did not take, since the spool was at its bound."""
        return self._spool.turned_away

    def push(
        self,
        run: str,
        round: int,
        phase: Phase,
        body: Mapping[str, Any],
        *,
        chunk: int | None = None,
    ) -> None:
        """Hand over one round's body; never waits for the network, nor fails for it.

        ``body`` is the wire format's, numpy's numbers and arrays included, and may be changed once
        this returns. With ``chunk`` it is that chunk of the round (from 0, each with the same
        envelope, in any order), and ``close_round`` says how many there are; without, it is the
        whole. Raises ``ValueError`` for an address that cannot be, or a value that is no
        number, text, list or dict, naming the field; ``SpoolFull`` when the bound is reached, and
        then this push, the newest, is not kept; ``OSError`` when the disk refuses; and
        ``RuntimeError`` after ``close`` or in a forked child, which needs a reporter of its own.
        NaN and infinities are found behind: the push is set aside in ``refused/``, and logged.
        """
        _check_chunk(chunk, body)
        self._hand_over_round(HandedOver(self._address(run, round, phase), body, chunk=chunk))

    def report(
        self,
        run: str,
        round: int,
        phase: Phase,
        clients: Iterable[Mapping[str, Any]],
        *,
        model: str,
        version: str,
        global_step: int,
        seconds: float,
        attempt: int = 1,
        canary_version: str | None = None,
        weights_sha256: str | None = None,
        parent_version: str | None = None,
        chunk: int | None = None,
        **more: object,
    ) -> None:
        """Hand over one round that took ``seconds`` and is over now; as ``push``, without a body.

        ``clients`` are records, as ``Summary.record`` makes them; ``more`` are further fields of
        the envelope, such as ``bin_spec``, ``privacy`` or ``participation``. When the round started
        and ended is written in the service's time: this machine's clock, and its offset as far as
        the service could be asked. With ``chunk`` it is that chunk of the round, as in ``push``.
        Raises what ``push`` raises.
        """
        body = envelope.content(
            clients,
            model=model,
            version=version,
            global_step=global_step,
            attempt=attempt,
            canary_version=canary_version,
            weights_sha256=weights_sha256,
            parent_version=parent_version,
            **more,
        )
        ended = self.clock.local()
        span = (ended - seconds, ended)
        _check_chunk(chunk, body)
        self._hand_over_round(HandedOver(self._address(run, round, phase), body, span, chunk))

    def close_round(
        self, run: str, round: int, phase: Phase, chunks: int, attempt: int = 1
    ) -> None:
        """Hand over that a round has so many chunks, 0 to ``chunks`` - 1; before or after them.

        The service judges the round once they are all there. Raises what ``push`` raises.
        """
        close = Close(self._address(run, round, phase), chunks, attempt)
        content = {"chunks": close.chunks, "attempt": close.attempt}
        self._hand_over(HandedOver(close.address, content, close=True))

    def labels(
        self,
        run: str,
        round: int,
        phase: Phase,
        records: Iterable[Mapping[str, Any]],
        *,
        chunk: int,
    ) -> None:
        """Hand over what became known later of a round that this spool was given before.

        Each record has ``client``, the ``num_examples`` of before, and what is new:
        ``label_counts``, ``confusion``, ``metrics``, ``canary``. They go as chunk ``chunk`` with
        the round's own envelope, which the reporter remembers, and the service judges the round
        again. ``chunk`` is a number that nothing else of the round has: 1 or more where the round
        was pushed whole, 5,000 or more where it may have been split. The same labels under the same
        number are taken once. Raises ``UnknownRound`` when the round is too long ago, saying what
        to do instead, and else what ``push`` raises.
        """
        if chunk == 0:
            raise ValueError("chunk is 0, which is the round itself; expected 1 or more.")
        known = self._envelopes.recall(self._address(run, round, phase))
        content = {**known.content, "clients": list(records)}
        _check_chunk(chunk, content)
        self._hand_over(replace(known, content=content, chunk=chunk))

    def _address(self, run: str, round: int, phase: Phase) -> Address:
        return Address(self._api.federation, run, round, phase)

    def _hand_over_round(self, round_: HandedOver) -> None:
        """Remember its envelope, too: before, since the thread writes the final times into it."""
        self._check_usable()
        self._envelopes.remember(round_)
        try:
            self._hand_over(round_)
        except BaseException:
            self._envelopes.forget(round_.address)
            raise

    def _hand_over(self, round_: HandedOver) -> None:
        self._check_usable()
        self._spool.add(round_.to_bytes())
        with self._changed:
            self._changed.notify_all()

    def replay_refused(self) -> int:
        """Send again all that was refused, say after the key was renewed; return how many."""
        self._check_usable()
        restored = self._spool.restore_refused()
        with self._changed:
            self._changed.notify_all()
        return restored

    def flush(self, timeout: float) -> bool:
        """Wait up to ``timeout`` seconds until nothing is pending; return whether that is so."""
        with self._changed:
            return self._changed.wait_for(lambda: self._idle and not self.pending, timeout)

    def close(self, timeout: float = 5.0) -> None:
        """Send what can be sent in ``timeout`` seconds, then stop; the rest stays in the spool.

        A request under way gets up to ``timeout`` seconds more. Harmless when called twice.
        """
        atexit.unregister(self.close)
        if self._closing or not self._thread.is_alive():
            return
        if not self.flush(timeout):
            log.warning("%d pushes stay in the spool for the next reporter", self.pending)
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self._thread.join(timeout)

    def _check_usable(self) -> None:
        if os.getpid() != self._process:
            raise RuntimeError("This reporter belongs to the parent process; make one here.")
        if self._closing:
            raise RuntimeError("This reporter is closed; make another.")

    def _run(self) -> None:
        try:
            while not self._closing:
                self._trying(self._settling.run)
                self._rest(self._send_if_due())
            self._trying(self._settling.run)
        finally:
            self._api.close()
            self._spool.close()

    def _send_if_due(self) -> float | None:
        """Send the oldest push unless a backoff is on; return the seconds to the next turn."""
        early = self._due - time.monotonic()
        if early > 0:
            return early
        delay = self._trying(self._delivery.step)
        self._due = time.monotonic() + (delay or 0.0)
        return delay

    def _trying(self, step: Callable[[], float | None]) -> float | None:
        try:
            return step()
        except Exception:  # a thread that died here would fill the spool in silence
            log.exception("Sending failed; next try in %.0f s", _SECONDS_AFTER_TROUBLE)
            with self._changed:
                self._changed.wait_for(lambda: self._closing, _SECONDS_AFTER_TROUBLE)
            return 0.0

    def _rest(self, delay: float | None) -> None:
        """Wait for ``delay`` seconds, or without end for ``None``, unless there is work before."""
        with self._changed:
            self._idle = delay is None
            self._changed.notify_all()
            if delay is None:
                self._changed.wait_for(lambda: self._closing or self.pending)
            elif delay > 0:
                self._changed.wait_for(lambda: self._closing or self._spool.incoming, delay)


def _check_chunk(chunk: int | None, body: Mapping[str, Any]) -> None:
    check_chunk(chunk)
    records = body.get("clients")
    many = isinstance(records, (list, tuple)) and len(records) > MOST_RECORDS
    if chunk is not None and many:
        raise ValueError(f"A chunk has at most {MOST_RECORDS} clients; use more chunks.")
