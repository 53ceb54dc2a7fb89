"""``AsyncRoundReporter``: a ``RoundReporter`` for code that runs on an event loop."""

import asyncio
import functools
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import ParamSpec, TypeVar

from vigie_client.reporter import RoundReporter

P = ParamSpec("P")
T = TypeVar("T")


class AsyncRoundReporter:
    """A reporter's calls as coroutines, so that neither disk nor network ever blocks the loop.

    For example::

        async with AsyncRoundReporter(RoundReporter(url, key, "stroke", "spool")) as reporter:
            await reporter.push("run-1", 1, "fit", body)

    ``push``, ``report``, ``labels``, ``close_round``, ``replay_refused``, ``flush`` and ``close``
    take and raise what those of the ``reporter`` do. What is pushed must not change before the
    coroutine has returned.
    """

    def __init__(self, reporter: RoundReporter) -> None:
        self.reporter = reporter
        self.push = _off_the_loop(reporter.push)
        self.report = _off_the_loop(reporter.report)
        self.labels = _off_the_loop(reporter.labels)
        self.close_round = _off_the_loop(reporter.close_round)
        self.replay_refused = _off_the_loop(reporter.replay_refused)
        self.flush = _off_the_loop(reporter.flush)
        self.close = _off_the_loop(reporter.close)

    def __repr__(self) -> str:
        return f"Async{self.reporter!r}"

    async def __aenter__(self) -> "AsyncRoundReporter":
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()


def _off_the_loop(call: Callable[P, T]) -> Callable[P, Awaitable[T]]:
    @functools.wraps(call)
    async def called(*args: P.args, **kwargs: P.kwargs) -> T:
        return await asyncio.to_thread(call, *args, **kwargs)

    return called
