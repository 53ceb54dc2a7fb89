"""``RoundReporter``: hands rounds to a disk spool, and a background thread sends them."""

import logging
import os
import threading
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

import httpx

from vigie_client.api import VigieApi
from vigie_client.backoff import Backoff
from vigie_client.canonical import canonical
from vigie_client.delivery import Delivery
from vigie_client.models import Phase, Receipt
from vigie_client.push import Push
from vigie_client.spool import Spool

log = logging.getLogger("vigie_client")

DEFAULT_BACKOFF = Backoff()
# After a failure that no retry rule foresees, such as a full disk.
_SECONDS_AFTER_TROUBLE = 60.0


class RoundReporter:
    """Pushes rounds to Vigie without ever making training wait for the network.

    ``push`` returns once the round is on disk. A daemon thread sends what lies in the spool, oldest
    first, retrying for ever with exponential backoff and full jitter, and heeding Retry-After, on
    lost connections, timeouts, 408, 425, 429 and 5xx. What the service refuses for good moves to
    ``<spool>/refused/`` with the answer beside it, and ``replay_refused`` sends it again. After a
    crash the next reporter on the same spool sends what is left; sending twice is harmless, since
    the service takes the same body once.

    ``max_files`` and ``max_bytes`` bound what waits and what was refused together; nothing is ever
    dropped to make room. The newest ``receipts_kept`` receipts stay in ``<spool>/receipts/``.
    ``on_receipt`` is called with every receipt, on the sending thread. ``transport`` stands in for
    the network in tests.
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
        on_receipt: Callable[[Receipt], None] | None = None,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        """Open the spool and start sending what an earlier process left in it.

        Raises ``SpoolLocked`` when another reporter has the spool, and ``ValueError`` for a URL,
        key, name or bound that cannot work.
        """
        self._api = VigieApi(url, api_key, federation, timeout=timeout, transport=transport)
        self._spool = Spool(
            Path(spool), max_files=max_files, max_bytes=max_bytes, receipts_kept=receipts_kept
        )
        self._delivery = Delivery(self._spool, self._api, backoff, on_receipt)
        self._process = os.getpid()
        self._closing = False
        self._idle = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="vigie-reporter", daemon=True)
        self._thread.start()

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

    def push(self, run: str, round: int, phase: Phase, body: dict[str, Any]) -> None:
        """Put one round's body on disk, to be sent; never waits for the network, nor fails for it.

        ``body`` may be changed once this returns. Raises ``ValueError`` for an address or a body
        that cannot be sent (NaN, say), naming the field; ``SpoolFull`` when the bound is reached,
        and then this push, the newest, is not kept; ``OSError`` when the disk refuses; and
        ``RuntimeError`` after ``close`` or in a forked child, which needs a reporter of its own.
        """
        self._check_usable()
        push = Push(self._api.federation, run, round, phase, canonical(body))
        self._spool.add(push.to_bytes())
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
                delay = self._step()
                with self._changed:
                    self._idle = delay is None
                    self._changed.notify_all()
                    self._rest(delay)
        finally:
            self._api.close()
            self._spool.close()

    def _step(self) -> float | None:
        try:
            return self._delivery.step()
        except Exception:  # a thread that died here would fill the spool in silence
            log.exception("Sending failed; next try in %.0f s", _SECONDS_AFTER_TROUBLE)
            return _SECONDS_AFTER_TROUBLE

    def _rest(self, delay: float | None) -> None:
        # A new push ends idleness, but does not shorten a backoff.
        if delay is None:
            self._changed.wait_for(lambda: self._closing or self.pending)
        elif delay > 0:
            self._changed.wait_for(lambda: self._closing, delay)
