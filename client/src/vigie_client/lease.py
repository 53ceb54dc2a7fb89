"""The hold on one claimed retrain request: renewed from a thread, until it is settled or lost."""

import logging
import threading
from collections.abc import Callable
from types import TracebackType

from vigie_client.api import VigieApi
from vigie_client.backoff import Backoff
from vigie_client.errors import LeaseLost, VigieError, VigieUnreachable
from vigie_client.models import RetrainRequest, TrainedVersion

log = logging.getLogger("vigie_client")

# Not this worker's any more: conflict, gone, or nothing there.
_LOST = frozenset({404, 409, 410})


class Lease:
    """A context in which a thread renews the lease every ``every`` seconds by posting progress."""

    def __init__(
        self,
        api: VigieApi,
        request: RetrainRequest,
        claimer: str,
        *,
        every: float,
        backoff: Backoff,
        stop: threading.Event,
    ) -> None:
        """Renew nothing yet; ``stop`` ends the retries of ``complete`` and ``fail`` only."""
        self._api, self._request, self._claimer = api, request, claimer
        self._every, self._backoff, self._stop = every, backoff, stop
        self._done: tuple[int, int, str | None] = (0, request.rounds, None)
        self._posting = threading.Lock()
        self._wake = threading.Event()
        self._over = self._settled = False
        self._lost: VigieError | None = None
        self._thread = threading.Thread(target=self._run, name="vigie-lease", daemon=True)

    def __enter__(self) -> "Lease":
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._over = True
        self._wake.set()
        self._thread.join()

    def progress(self, completed: int, total: int, message: str | None = None) -> None:
        """Note that ``completed`` of ``total`` rounds are done; the thread tells the service.

        Does not wait for the network. Raises ``LeaseLost`` when the request is no longer this
        worker's, and ``ValueError`` unless ``0 <= completed <= total`` and ``total >= 1``.
        """
        self._check_held()
        if not 0 <= completed <= total or total < 1:
            raise ValueError(f"progress({completed}, {total}): expected 0 <= completed <= total.")
        self._done = (completed, total, message)
        self._wake.set()

    def complete(self, version: TrainedVersion) -> RetrainRequest:
        """Hand over the version, retrying until answered; ``LeaseLost`` when it comes too late."""
        return self._settle(
            lambda: self._api.complete_retrain_request(self._request.id, self._claimer, version)
        )

    def fail(self, reason: str) -> RetrainRequest:
        """Say that training failed, retrying until answered; ``LeaseLost`` as in ``complete``."""
        return self._settle(
            lambda: self._api.fail_retrain_request(self._request.id, self._claimer, reason)
        )

    def _run(self) -> None:
        while not self._over and self._lost is None:
            self._wake.clear()
            self._renew()
            self._wake.wait(self._every)

    def _renew(self) -> None:
        with self._posting:
            if self._settled:
                return
            try:
                self._api.report_progress(self._request.id, self._claimer, *self._done)
            except (VigieError, VigieUnreachable) as error:
                self._note(error)
                log.warning("The lease on %s was not renewed: %s", self._request.id, error)

    def _settle(self, post: Callable[[], RetrainRequest]) -> RetrainRequest:
        failures = 0
        while True:
            self._check_held()
            try:
                with self._posting:
                    request = post()
                    self._settled = True
                    return request
            except (VigieError, VigieUnreachable) as error:
                self._note(error)
                if self._lost is None and (not error.transient or self._stop.is_set()):
                    raise
                failures += 1
                delay = self._backoff.delay(failures, error)
            self._stop.wait(delay)

    def _note(self, error: VigieError | VigieUnreachable) -> None:
        if isinstance(error, VigieError) and error.status in _LOST:
            self._lost = error

    def _check_held(self) -> None:
        if self._lost is not None:
            raise LeaseLost(
                f"Retrain request {self._request.id} is no longer {self._claimer}'s: {self._lost}"
            ) from self._lost
