"""A sender that costs next to nothing: requests made beforehand, on kept sockets."""

import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from threading import Thread
from types import TracebackType

from demo.ports import free_port

WAIT_SECONDS = 60.0


def request(path: str, body: bytes, headers: Mapping[str, str]) -> bytes:
    """A POST as bytes."""
    lines = [f"POST {path} HTTP/1.1", "Host: load", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


class Sender:
    """One kept connection."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=WAIT_SECONDS)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def __enter__(self) -> "Sender":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        self._socket.close()

    def send(self, message: bytes) -> tuple[int, bytes]:
        """Send a request; return the answer's status and body."""
        self._socket.sendall(message)
        head, _, rest = self._until(b"\r\n\r\n").partition(b"\r\n\r\n")
        status = int(head.split(b" ", 2)[1])
        length = next(
            int(line.split(b":")[1])
            for line in head.lower().split(b"\r\n")
            if line.startswith(b"content-length:")
        )
        while len(rest) < length:
            rest += self._socket.recv(65536)
        return status, rest

    def _until(self, mark: bytes) -> bytes:
        got = b""
        while mark not in got:
            piece = self._socket.recv(65536)
            if not piece:
                raise ConnectionError("The server closed the connection.")
            got += piece
        return got


def in_parallel(port: int, batches: list[list[bytes]]) -> tuple[list[tuple[int, float]], float]:
    """Send each batch on a connection of its own: (status, seconds) each, and the whole time."""
    answers: list[list[tuple[int, float]]] = [[] for _ in batches]
    threads = [
        Thread(target=_send_all, args=(port, batch, answer))
        for batch, answer in zip(batches, answers, strict=True)
    ]
    start = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [one for answer in answers for one in answer], time.perf_counter() - start


def _send_all(port: int, batch: list[bytes], answers: list[tuple[int, float]]) -> None:
    with Sender(port) as sender:
        for message in batch:
            start = time.perf_counter()
            status, _ = sender.send(message)
            answers.append((status, time.perf_counter() - start))


@contextmanager
def server(name: str, environment: Mapping[str, str] | None = None) -> Iterator[tuple[int, int]]:
    """A server as a process: its port and its process id."""
    port = free_port()
    command = [sys.executable, "-m", "benchmarks.ingesting.servers", name, str(port)]
    process = subprocess.Popen(  # noqa: S603 - this benchmark's own server
        command, env=None if environment is None else dict(environment)
    )
    try:
        _wait_for(port, process)
        yield port, process.pid
    finally:
        process.terminate()
        process.wait()


def _wait_for(port: int, process: "subprocess.Popen[bytes]") -> None:
    end = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < end and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.02)
        else:
            return
    raise RuntimeError(f"The server did not come up on port {port}.")
