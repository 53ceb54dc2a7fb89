"""``AsyncRetrainWorker``: a ``RetrainWorker`` for code that runs on an event loop."""

import asyncio
import concurrent.futures
import inspect
import threading
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Protocol, TypeVar

import httpx

from vigie_client.backoff import Backoff
from vigie_client.models import RetrainRequest, TrainedVersion
from vigie_client.retrain import DEFAULT_BACKOFF, Progress, RetrainWorker, Train

T = TypeVar("T")


class AsyncTrain(Protocol):
    """A training function that is a coroutine; ``progress`` is called as it is, not awaited."""

    def __call__(self, request: RetrainRequest, progress: Progress, /) -> Awaitable[TrainedVersion]:
        """Train; whatever it raises is reported to Vigie as the reason of the failure."""


class AsyncRetrainWorker:
    """Claims the retrain requests of one model and has them trained, without blocking the loop.

    ``train`` is a coroutine function, which then runs on the loop, or a plain one, such as
    ``FlowerTraining``, which runs in a thread. Calls to Vigie and the lease's renewal are in
    threads, too: a coroutine that blocks the loop for a while does not lose the lease. The rest is
    as in ``RetrainWorker``. One call at a time::

        async def train(request, progress):
            for number in range(1, 11):
                weights = await train_one_round(number)
                progress(number, 10)
            return TrainedVersion("run-2", weights_sha256(weights), rounds=10)


        async with AsyncRetrainWorker(url, key, "stroke", "stroke", train) as worker:
            await worker.run_forever(30)

    A task that is cancelled in ``run_once`` or ``run_forever`` cancels the training, waits for its
    end, and tells Vigie nothing: the lease runs out by itself, and another worker gets the request.
    A plain function cannot be cancelled; its end is waited for.
    """

    def __init__(
        self,
        url: str,
        api_key: str,
        federation: str,
        model: str,
        train: AsyncTrain | Train,
        *,
        claimer: str | None = None,
        lease_seconds: int = 60,
        timeout: float = 10.0,
        backoff: Backoff = DEFAULT_BACKOFF,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        """Claim nothing yet; ``ValueError`` for a URL, key, name or lease that cannot work."""
        self._worker = RetrainWorker(
            url,
            api_key,
            federation,
            model,
            self._trained,
            claimer=claimer,
            lease_seconds=lease_seconds,
            timeout=timeout,
            backoff=backoff,
            transport=transport,
        )
        self._train = train
        self._loop: asyncio.AbstractEventLoop | None = None
        self._training: asyncio.Future[TrainedVersion] | None = None
        self._cancelled = False

    def __repr__(self) -> str:
        return f"Async{self._worker!r}"

    async def __aenter__(self) -> "AsyncRetrainWorker":
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        await asyncio.to_thread(self._worker.close)

    async def run_once(self) -> RetrainRequest | None:
        """Claim a request and train it; ``None`` when none is open. As ``RetrainWorker``'s."""
        return await self._off_the_loop(self._worker.run_once)

    async def run_forever(self, poll_seconds: float, stop: asyncio.Event | None = None) -> None:
        """Claim and train until ``stop`` is set; a request that comes is claimed at once.

        A request under way when ``stop`` is set is trained to its end. Raises as
        ``RetrainWorker.run_forever`` does.
        """

        def work(stopped: threading.Event) -> None:
            self._worker.run_forever(poll_seconds, stopped)

        await self._off_the_loop(work, stop)

    async def _off_the_loop(
        self, work: Callable[[threading.Event], T], stop: asyncio.Event | None = None
    ) -> T:
        self._loop, self._training, self._cancelled = asyncio.get_running_loop(), None, False
        stopped = threading.Event()
        passing_on = asyncio.ensure_future(_pass_on(stop, stopped))
        working = asyncio.ensure_future(asyncio.to_thread(work, stopped))
        try:
            return await asyncio.shield(working)
        except asyncio.CancelledError:
            stopped.set()
            self._cancel_training()
            await asyncio.wait({working})
            raise
        finally:
            passing_on.cancel()

    def _cancel_training(self) -> None:
        self._cancelled = True
        if self._training is not None:
            self._training.cancel()

    def _trained(self, request: RetrainRequest, progress: Progress, /) -> TrainedVersion:
        """Train, from a thread of the worker's; a coroutine is only made here, and not run."""
        made = self._train(request, progress)
        if not inspect.isawaitable(made):
            return made
        assert self._loop is not None  # there is a call under way, or nobody would be here
        awaited = asyncio.run_coroutine_threadsafe(self._awaited(made), self._loop)
        try:
            return awaited.result()
        except concurrent.futures.CancelledError:
            # Not an Exception, so that the worker does not take it for a training that failed.
            raise asyncio.CancelledError from None

    async def _awaited(self, training: Awaitable[TrainedVersion]) -> TrainedVersion:
        self._training = asyncio.ensure_future(training)
        if self._cancelled:
            self._training.cancel()
        return await self._training


async def _pass_on(stop: asyncio.Event | None, stopped: threading.Event) -> None:
    if stop is not None:
        await stop.wait()
        stopped.set()
