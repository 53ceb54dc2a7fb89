"""``RetrainWorker``: claims retrain requests and turns them into trained versions."""

import logging
import secrets
import threading
import time
from types import TracebackType
from typing import Protocol

import httpx

from vigie_client.api import VigieApi
from vigie_client.backoff import Backoff
from vigie_client.errors import LeaseLost, VigieError, VigieUnreachable
from vigie_client.lease import Lease
from vigie_client.models import RetrainRequest, TrainedVersion

log = logging.getLogger("vigie_client")

DEFAULT_BACKOFF = Backoff()
LONGEST_REASON = 500
# Seconds that the service is asked to wait for a request before it says that there is none. Longer
# than that nobody waits for a worker that is told to stop.
_HELD = 10.0
# A lease survives two renewals that fail in a row.
_RENEWALS_PER_LEASE = 3


class Progress(Protocol):
    """What a training function calls after each round."""

    def __call__(self, completed: int, total: int, message: str | None = None) -> None:
        """Tell how many rounds of how many are done; ``LeaseLost`` means: stop, it is another's."""


class Train(Protocol):
    """The training function: from a request to a version, calling ``progress`` after each round."""

    def __call__(self, request: RetrainRequest, progress: Progress, /) -> TrainedVersion:
        """Train; whatever it raises is reported to Vigie as the reason of the failure."""


class RetrainWorker:
    """Claims the retrain requests of one model, one at a time, and has them trained.

    The lease is renewed from a thread every third of ``lease_seconds``, however long a round takes.
    ``claimer`` names this worker to Vigie and is made up when not given; no host name, please.
    """

    def __init__(
        self,
        url: str,
        api_key: str,
        federation: str,
        model: str,
        train: Train,
        *,
        claimer: str | None = None,
        lease_seconds: int = 60,
        timeout: float = 10.0,
        backoff: Backoff = DEFAULT_BACKOFF,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        """Claim nothing yet; ``ValueError`` for a URL, key, name or lease that cannot work."""
        if lease_seconds < 1:
            raise ValueError(f"lease_seconds is {lease_seconds}; expected at least 1.")
        self._api = VigieApi(url, api_key, federation, timeout=timeout, transport=transport)
        self._model, self._train = model, train
        self._claimer = claimer or f"worker-{secrets.token_hex(4)}"
        self._lease_seconds = lease_seconds
        self._backoff = backoff

    def __repr__(self) -> str:
        return f"RetrainWorker({self._api!r}, model={self._model!r}, claimer={self._claimer!r})"

    def __enter__(self) -> "RetrainWorker":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._api.close()

    def run_once(
        self, stop: threading.Event | None = None, *, wait: float = 0.0
    ) -> RetrainRequest | None:
        """Claim a request and train it; ``None`` when none is open, or comes in ``wait`` seconds.

        Return the request as the service last told it: ``completed``, ``failed`` when training
        raised an ``Exception`` or its version was refused, or as it was claimed when the lease was
        lost on the way. When the service gives no answer at the end of training, that is retried
        until ``stop`` is set.

        Raises ``VigieError`` or ``VigieUnreachable`` when claiming fails or the end could not be
        told. ``KeyboardInterrupt`` and ``SystemExit`` pass through: the lease runs out by itself.
        """
        request = self._api.claim_retrain_request(
            self._model, self._claimer, self._lease_seconds, wait
        )
        if request is None:
            return None
        every = self._lease_seconds / _RENEWALS_PER_LEASE
        stop = stop or threading.Event()
        lease = Lease(
            self._api, request, self._claimer, every=every, backoff=self._backoff, stop=stop
        )
        with lease:
            try:
                return self._train_under(lease, request)
            except LeaseLost as lost:
                log.warning("%s", lost)
                return request

    def _train_under(self, lease: Lease, request: RetrainRequest) -> RetrainRequest:
        try:
            version = self._train(request, lease.progress)
        except LeaseLost:
            raise
        except Exception as error:
            log.exception("Training for retrain request %s failed", request.id)
            return lease.fail(_reason(error))
        return _hand_over(lease, version)

    def run_forever(self, poll_seconds: float, stop: threading.Event) -> None:
        """Claim and train until ``stop`` is set; a request that comes is claimed at once.

        A look is answered when a request comes, or after ``poll_seconds`` (10 at most) without one;
        it is not repeated sooner. A request under way when ``stop`` is set is trained to its end.
        An unreachable service is waited for; a final refusal, such as an invalid key, is raised as
        ``VigieError``.
        """
        failures, held = 0, min(poll_seconds, _HELD)
        while not stop.is_set():
            asked = time.monotonic()
            try:
                found = self.run_once(stop, wait=held)
            except (VigieError, VigieUnreachable) as error:
                if not error.transient:
                    raise
                failures += 1
                delay = self._backoff.delay(failures, error)
                log.warning(
                    "Vigie could not be asked or told; next try in %.1f s: %s", delay, error
                )
            else:
                waited = time.monotonic() - asked
                failures, delay = 0, 0.0 if found or waited >= held else poll_seconds - waited
            stop.wait(delay)


def _hand_over(lease: Lease, version: TrainedVersion) -> RetrainRequest:
    try:
        return lease.complete(version)
    except VigieError as error:
        if error.transient:
            raise
        log.exception("The trained version was refused")
        return lease.fail(_reason(error))


def _reason(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"[:LONGEST_REASON]
