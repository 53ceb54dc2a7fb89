"""``RoundReporter``: hands rounds to a disk spool, and a background thread sends them."""

import atexit
import logging
import os
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

import httpx

from vigie_client import envelope
from vigie_client.api import VigieApi
from vigie_client.backoff import Backoff
from vigie_client.clock import DEFAULT_TOLERANCE, ServerClock
from vigie_client.delivery import Delivery
from vigie_client.handover import HandedOver
from vigie_client.models import Phase, Receipt
from vigie_client.push import Address
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
    The newest ``receipts_kept`` receipts stay in ``<spool>/receipts/``. ``on_receipt`` is called
    with every receipt, on the sending thread. A clock that is more than ``clock_tolerance`` seconds
    from the service's is logged as a warning. ``transport`` stands in for the network in tests.
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
        self.clock = ServerClock(clock_tolerance)
        self._api = VigieApi(
            url, api_key, federation, timeout=timeout, clock=self.clock, transport=transport
        )
        self._spool = Spool(
            Path(spool), max_files=max_files, max_bytes=max_bytes, receipts_kept=receipts_kept
        )
        self._settling = Settling(self._spool, self.clock, self._api.ask_time)
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
        return self._delivery.delivered

    @property
    def refused(self) -> int:
        """How many refused pushes lie in ``<spool>/refused/``."""
        return self._spool.refused

    @property
    def turned_away(self) -> int:
        """How many pushes this reporter did not take, since the spool was at its bound."""
        return self._spool.turned_away

    def push(self, run: str, round: int, phase: Phase, body: Mapping[str, Any]) -> None:
        """Hand over one round's body; never waits for the network, nor fails for it.

        ``body`` is the wire format's, numpy's numbers and arrays included, and may be changed once
        this returns. Raises ``ValueError`` for an address that cannot be, or a value that is no
        number, text, list or dict, naming the field; ``SpoolFull`` when the bound is reached, and
        then this push, the newest, is not kept; ``OSError`` when the disk refuses; and
        ``RuntimeError`` after ``close`` or in a forked child, which needs a reporter of its own.
        NaN and infinities are found behind: the push is set aside in ``refused/``, and logged.
        """
        self._hand_over(HandedOver(Address(self._api.federation, run, round, phase), body))

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
        **more: object,
    ) -> None:
        """Hand over one round that took ``seconds`` and is over now; as ``push``, without a body.

        ``clients`` are records, as ``Summary.record`` makes them; ``more`` are further fields of
        the envelope, such as ``bin_spec``, ``privacy`` or ``participation``. When the round started
        and ended is written in the service's time: this machine's clock, and its offset as far as
        the service could be asked. Raises what ``push`` raises.
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
        address = Address(self._api.federation, run, round, phase)
        self._hand_over(HandedOver(address, body, (ended - seconds, ended)))

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
