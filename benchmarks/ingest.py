"""Ingest: bodies decoded and checked, rounds stored durably, bursts and a steady load.

Servers run in processes of their own on loopback; requests are made beforehand. The peer is a plain
FastAPI endpoint that takes the same JSON as a pydantic model, and stores nothing.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from threading import Thread

import numpy as np

from app.rounds.arrow_stream import MEDIA_TYPE
from benchmarks.harness import Case, Row, at_least, at_most, faster, main
from benchmarks.ingesting import payload
from benchmarks.ingesting.sender import Sender, in_parallel, request, server
from benchmarks.ingesting.service import Service, on_postgres, on_sqlite

CLIENTS, CONNECTIONS, REPEATS, IN_A_ROW = 1000, 4, 9, 10
PUSHES = 60  # a connection, when the service is to be busy
RATE, STEADY_CLIENTS, STEADY_SECONDS, STEADY_CONNECTIONS = 50, 100, 20, 8
BURST_CONNECTIONS, BURST_PUSHES = 50, 2  # times CLIENTS records each


def decoding() -> Iterator[Row]:
    """The way in alone, over HTTP: decoding and checking every value."""
    told, records = payload.envelope(spec="bs_" + "0" * 16), payload.records(CLIENTS)
    as_json = request("/", payload.as_json(told, records), {"Content-Type": "application/json"})
    as_arrow = request("/", payload.as_arrow(told, records), {"Content-Type": MEDIA_TYPE})
    with ExitStack() as running:
        plain, decode, bare = (_sender(running, name) for name in ("plain", "decode", "bare"))
        peer = _sending(plain, as_json)
        for what, sender, message, goal in (
            ("JSON, decoded and checked, against FastAPI and pydantic", decode, as_json, 6),
            ("Arrow, decoded and checked, against FastAPI and pydantic", decode, as_arrow, 40),
            ("the socket alone, the same Arrow body", bare, as_arrow, 1),
        ):
            ours = _sending(sender, message)
            named = f"{what}: {CLIENTS} clients"
            yield faster(named, ours, peer, goal=goal, repeats=REPEATS, per=IN_A_ROW)


def durable() -> Iterator[Row]:
    """The whole service: key, checks, audit, outbox, records, and a commit that is on the disk."""
    for name, start in (("SQLite", on_sqlite), ("PostgreSQL", on_postgres)):
        for form, as_json, goal in (("Arrow", False, 100_000), ("JSON", True, 50_000)):
            with start() as service:
                rate = _records_a_second(service, as_json=as_json)
            yield at_least(f"stored durably on {name}, {form}", rate, goal, "records/s")


def steady() -> Iterator[Row]:
    """Small pushes at a fixed pace: how long the slowest of a hundred takes."""
    for name, start in (("SQLite", on_sqlite), ("PostgreSQL", on_postgres)):
        with start() as service:
            seconds, statuses = _paced(service)
        assert statuses == {202}, statuses
        what = f"99th percentile at {RATE} pushes a second of {STEADY_CLIENTS} clients, {name}"
        yield at_most(what, float(np.quantile(seconds, 0.99)) * 1e3, 100, "ms")


def burst() -> Iterator[Row]:
    """100,000 clients at once: each push is taken, or refused with 429, and the service lives."""
    for name, start in (("SQLite", on_sqlite), ("PostgreSQL", on_postgres)):
        with start() as service:
            pushes = service.pushes("burst", BURST_CONNECTIONS * BURST_PUSHES, CLIENTS)
            batches = [pushes[at::BURST_CONNECTIONS] for at in range(BURST_CONNECTIONS)]
            answers, seconds = in_parallel(service.port, batches)
            alive = in_parallel(service.port, [pushes[:1]])[0][0][0]
        answered = sum(status in {202, 429} for status, _ in answers)
        taken = sum(status == 202 for status, _ in answers)  # noqa: PLR2004 - accepted
        assert alive in {202, 429}
        what = f"burst of 100,000 clients, {name}: pushes answered 202 or 429 ({taken} taken)"
        yield at_least(what, answered, len(pushes), "pushes")
        yield at_most(f"burst of 100,000 clients, {name}: until the last answer", seconds, 60, "s")


def _sender(running: ExitStack, name: str) -> Sender:
    port, _ = running.enter_context(server(name))
    return running.enter_context(Sender(port))


def _sending(sender: Sender, message: bytes) -> Callable[[], None]:
    def send() -> None:
        for _ in range(IN_A_ROW):
            status, answer = sender.send(message)
            assert status == 200, answer  # noqa: PLR2004 - OK

    return send


def _records_a_second(service: Service, *, as_json: bool) -> float:
    in_parallel(service.port, [service.pushes("warm", 4, CLIENTS, as_json=as_json)])
    pushes = service.pushes("busy", CONNECTIONS * PUSHES, CLIENTS, as_json=as_json)
    batches = [pushes[at::CONNECTIONS] for at in range(CONNECTIONS)]
    answers, seconds = in_parallel(service.port, batches)
    assert {status for status, _ in answers} == {202}, answers[:3]
    return len(pushes) * CLIENTS / seconds


def _paced(service: Service) -> tuple[list[float], set[int]]:
    """Send at a fixed pace; a push's time runs from when it was due."""
    pushes = service.pushes("steady", RATE * STEADY_SECONDS, STEADY_CLIENTS)
    in_parallel(service.port, [service.pushes("warm", 10, STEADY_CLIENTS)])
    answers: list[tuple[float, int]] = []
    start = time.perf_counter() + 0.1

    def send(first: int) -> None:
        with Sender(service.port) as sender:
            for number in range(first, len(pushes), STEADY_CONNECTIONS):
                due = start + number / RATE
                time.sleep(max(0.0, due - time.perf_counter()))
                status, _ = sender.send(pushes[number])
                answers.append((time.perf_counter() - due, status))

    threads = [Thread(target=send, args=(first,)) for first in range(STEADY_CONNECTIONS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [seconds for seconds, _ in answers], {status for _, status in answers}


CASES = [
    Case("decoding", decoding),
    Case("durable", durable),
    Case("steady", steady),
    Case("burst", burst),
]

if __name__ == "__main__":
    main("ingest", CASES)
