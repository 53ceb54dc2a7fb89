"""The worker on an event loop: the same promises, and the loop is never held up."""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import httpx
import pytest

from vigie_client import (
    AsyncRetrainWorker,
    AsyncTrain,
    Backoff,
    LeaseLost,
    Progress,
    RetrainRequest,
    RetrainWorker,
    Train,
    TrainedVersion,
    VigieError,
)

if TYPE_CHECKING:
    from conftest import Requests

TRAINED = TrainedVersion("run-9", "b" * 64, rounds=10)
Work = Callable[[AsyncTrain | Train], AsyncRetrainWorker]


@pytest.fixture
def work(requests: Requests, key: str) -> Work:
    def make(train: AsyncTrain | Train) -> AsyncRetrainWorker:
        return AsyncRetrainWorker(
            "https://vigie.test",
            key,
            "flights",
            "late-arrival",
            train,
            claimer="worker-1",
            lease_seconds=1,
            backoff=Backoff(first=0.0),
            transport=requests.transport,
        )

    return make


@contextmanager
def turning() -> Iterator[Callable[[], int]]:
    """How many turns the loop has made meanwhile."""
    turns = 0

    async def turn() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    task = asyncio.create_task(turn())
    yield lambda: turns
    task.cancel()


async def train_at_once(request: RetrainRequest, progress: Progress) -> TrainedVersion:
    return TRAINED


def test_both_workers_are_made_of_the_same_things() -> None:
    names = list(inspect.signature(RetrainWorker).parameters)
    assert list(inspect.signature(AsyncRetrainWorker).parameters) == names


def test_nothing_to_do(requests: Requests, work: Work) -> None:
    requests.waiting = False
    assert asyncio.run(work(train_at_once).run_once()) is None


def test_a_coroutine_trains_on_the_loop_while_the_lease_is_renewed(
    requests: Requests, work: Work
) -> None:
    async def train(request: RetrainRequest, progress: Progress) -> TrainedVersion:
        assert threading.current_thread() is threading.main_thread()
        progress(3, 8, "warm")
        await asyncio.to_thread(requests.wait_for, 3)
        return TRAINED

    async def run() -> RetrainRequest | None:
        async with work(train) as worker:
            with turning() as turns:
                done = await worker.run_once()
                assert turns() > 3
            return done

    done = asyncio.run(run())
    assert done is not None
    assert (done.state, done.result_version) == ("completed", "2")
    assert requests.bodies("progress")[-1]["completed_rounds"] == 3
    assert requests.bodies("complete")[0]["run"] == "run-9"


def test_a_plain_function_trains_in_a_thread(requests: Requests, work: Work) -> None:
    def train(request: RetrainRequest, progress: Progress) -> TrainedVersion:
        assert threading.current_thread() is not threading.main_thread()
        requests.wait_for(2)
        return TRAINED

    async def run() -> RetrainRequest | None:
        with turning() as turns:
            done = await work(train).run_once()
            assert turns() > 3
        return done

    done = asyncio.run(run())
    assert done is not None
    assert done.state == "completed"


def test_a_lost_lease_stops_the_coroutine(requests: Requests, work: Work) -> None:
    stopped = []

    async def train(request: RetrainRequest, progress: Progress) -> TrainedVersion:
        try:
            while True:
                progress(1, 10)
                await asyncio.sleep(0)
        except LeaseLost:
            stopped.append(True)
            raise

    requests.script["progress"] = [httpx.Response(409)]
    left = asyncio.run(work(train).run_once())
    assert left is not None
    assert (left.state, stopped) == ("claimed", [True])
    assert requests.bodies("complete") == requests.bodies("fail") == []


def test_what_a_coroutine_raises_is_told(requests: Requests, work: Work) -> None:
    async def train(request: RetrainRequest, progress: Progress) -> TrainedVersion:
        raise ArithmeticError("loss is nan")

    failed = asyncio.run(work(train).run_once())
    assert failed is not None
    assert failed.state == "failed"
    assert requests.bodies("fail")[0]["reason"] == "ArithmeticError: loss is nan"


def test_a_cancelled_task_cancels_the_training_and_lets_the_lease_run_out(
    requests: Requests, work: Work
) -> None:
    cleaned_up = []

    async def run() -> None:
        training = asyncio.Event()

        async def train(request: RetrainRequest, progress: Progress) -> TrainedVersion:
            try:
                training.set()
                await asyncio.sleep(3600)
            finally:
                await asyncio.sleep(0.01)
                cleaned_up.append(True)
            return TRAINED

        task = asyncio.create_task(work(train).run_forever(3600))
        await training.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert cleaned_up == [True]

    asyncio.run(run())
    assert requests.bodies("complete") == requests.bodies("fail") == []
    assert all(thread.name != "vigie-lease" for thread in threading.enumerate())


def test_a_task_cancelled_while_it_claims_trains_nothing(requests: Requests, work: Work) -> None:
    trained = []

    async def train(request: RetrainRequest, progress: Progress) -> TrainedVersion:
        trained.append(request.id)
        return TRAINED

    async def run() -> None:
        worker = work(train)
        with requests.posted:  # the answer to the claim is kept back
            task = asyncio.create_task(worker.run_once())
            await asyncio.sleep(0.05)
            task.cancel()
            await asyncio.sleep(0.01)
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(run())
    assert trained == []
    assert requests.bodies("complete") == requests.bodies("fail") == []


def test_a_training_that_cancels_itself_tells_nothing(requests: Requests, work: Work) -> None:
    async def train(request: RetrainRequest, progress: Progress) -> TrainedVersion:
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(work(train).run_once())
    assert requests.bodies("complete") == requests.bodies("fail") == []


def test_run_forever_stops_when_asked_and_ends_what_is_under_way(
    requests: Requests, work: Work
) -> None:
    async def run() -> None:
        stop = asyncio.Event()

        async def train(request: RetrainRequest, progress: Progress) -> TrainedVersion:
            stop.set()
            await asyncio.sleep(0.01)
            return TRAINED

        requests.script["claim"] = [httpx.ConnectError("down"), httpx.Response(204)]
        await work(train).run_forever(0.0, stop)

    asyncio.run(run())
    assert len(requests.bodies("claim")) == 3
    assert len(requests.bodies("complete")) == 1


def test_run_forever_raises_a_final_refusal(requests: Requests, work: Work) -> None:
    requests.script["claim"] = [httpx.Response(401)]
    with pytest.raises(VigieError, match="401"):
        asyncio.run(work(train_at_once).run_forever(3600))


def test_the_key_is_hidden_and_a_bad_lease_refused(key: str) -> None:
    worker = AsyncRetrainWorker("https://v.test", key, "f", "m", train_at_once)
    assert "AsyncRetrainWorker(" in repr(worker)
    assert key not in repr(worker)
    asyncio.run(worker.close())
    with pytest.raises(ValueError, match="lease_seconds is 0"):
        AsyncRetrainWorker("https://v.test", key, "f", "m", train_at_once, lease_seconds=0)
