"""Receivers of notices, good and bad, on free ports of 127.0.0.1, and who sends to them."""

import json
import os
import socket
import socketserver
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlmodel import Session

from app.core import clock
from app.federations.tables import Federation
from app.incidents import notices
from app.incidents.states import Event
from app.incidents.tables import Incident
from app.rounds.tables import Round

START_SECONDS = 150  # of worker and beat, on a machine that does much else
STOP_SECONDS = 25.0  # a worker ends within its settings' seconds and 2; the machine may be busy


@dataclass(frozen=True)
class Post:
    """What a receiver got."""

    at: datetime
    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Receiver:
    """A server that keeps what is posted to it, and answers in its way."""

    answer: Callable[[socket.socket], None]
    posts: list[Post] = field(default_factory=list)
    port: int = 0
    ended: threading.Event = field(default_factory=threading.Event)

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        return f"http://{self.host}/hook"

    def serve(self, connection: socket.socket) -> None:
        with connection:
            connection.settimeout(STOP_SECONDS)
            try:
                self.posts.append(_read(connection))
                self.answer(connection)
            except OSError:
                pass  # the sender had enough


@dataclass
class Mail:
    """One message that the SMTP server took."""

    to: str
    text: str


class _SmtpSession(socketserver.StreamRequestHandler):
    """What a client may say of RFC 5321 to a server that takes everything."""

    def handle(self) -> None:
        self._say("220 here")
        to = ""
        for raw in self.rfile:
            line = raw.decode().rstrip("\r\n")
            verb = line[:4].upper()
            if verb == "RCPT":
                to = line.partition("<")[2].partition(">")[0]
            if verb == "DATA":
                self._say("354 go on")
                self.server.mails.append(Mail(to, self._message()))  # type: ignore[attr-defined]
            self._say("221 bye" if verb == "QUIT" else "250 ok")
            if verb == "QUIT":
                return

    def _message(self) -> str:
        lines = iter(lambda: self.rfile.readline().decode().rstrip("\r\n"), ".")
        return "\n".join(lines)

    def _say(self, text: str) -> None:
        self.wfile.write(f"{text}\r\n".encode())


@contextmanager
def taking_mail() -> Iterator[tuple[int, list[Mail]]]:
    """An SMTP server on loopback: its port, and what came."""
    mails: list[Mail] = []
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), _SmtpSession) as server:
        server.mails = mails  # type: ignore[attr-defined]
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server.server_address[1], mails
        server.shutdown()
        thread.join(STOP_SECONDS)


def answering(status: str, *headers: str) -> Callable[[socket.socket], None]:
    """Answer at once."""
    head = "\r\n".join([f"HTTP/1.1 {status}", *headers, "Content-Length: 0", "", ""])
    return lambda connection: connection.sendall(head.encode())


def dripping(seconds: float, head: bytes = b"") -> Callable[[socket.socket], None]:
    """Send a head, then one byte of a header at a time, so that every read gets something."""

    def answer(connection: socket.socket) -> None:
        connection.sendall(head or b"HTTP/1.1 200 OK\r\nX-Slow: ")
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            connection.sendall(b"x")
            time.sleep(0.1)

    return answer


def saying_nothing(seconds: float) -> Callable[[socket.socket], None]:
    """Take the request, and never answer."""
    return lambda connection: time.sleep(seconds)


@contextmanager
def receiving(answer: Callable[[socket.socket], None]) -> Iterator[Receiver]:
    """A receiver, on a thread for each connection."""
    receiver = Receiver(answer)
    with socket.create_server(("127.0.0.1", 0), backlog=128) as listening:
        receiver.port = listening.getsockname()[1]
        thread = threading.Thread(target=_accept, args=(listening, receiver), daemon=True)
        thread.start()
        yield receiver
        receiver.ended.set()
        socket.create_connection(("127.0.0.1", receiver.port)).close()
        thread.join(STOP_SECONDS)


@contextmanager
def running_service(environment: Mapping[str, str], folder: Path) -> Iterator[None]:
    """A worker and a beat with these settings, ended afterwards."""
    told = {**os.environ, **environment}
    with ExitStack() as stack:
        for name in ("worker", "beat"):
            log = stack.enter_context((folder / f"{name}.log").open("wb"))
            process = subprocess.Popen(
                [sys.executable, "-m", "app", name], env=told, stdout=log, stderr=log
            )
            stack.callback(process.kill)  # should it not end when told, which fails the test
            stack.callback(process.wait, STOP_SECONDS)
            stack.callback(process.terminate)
        yield


def _accept(listening: socket.socket, receiver: Receiver) -> None:
    while not receiver.ended.is_set():
        connection, _ = listening.accept()
        threading.Thread(target=receiver.serve, args=(connection,), daemon=True).start()


def _read(connection: socket.socket) -> Post:
    data = b""
    while b"\r\n\r\n" not in data:
        got = connection.recv(65536)
        if not got:
            raise ConnectionError
        data += got
    head, _, body = data.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (x.partition(":") for x in lines)}
    while len(body) < int(headers.get("content-length", "0")):
        body += connection.recv(65536)
    return Post(datetime.now(UTC), first.split()[1], headers, body)


def opened_incident(session: Session, federation: Federation, number: int) -> None:
    """An incident as a round would open it, without the round's evaluation."""
    at = clock.now()
    round_ = Round(
        federation_id=federation.id, run="serve", number=number, phase="evaluate", attempt=1,
        global_step=number, model="late-arrival", version="1", started_at=at, ended_at=at,
        envelope={}, body_sha256="0" * 64, receipt={}, accepted=1, quarantined=0, received_at=at,
    )  # fmt: skip
    session.add(round_)
    session.flush()
    incident = Incident(
        federation_id=federation.id, model="late-arrival", version="1", cause=f"cause {number}",
        family="concept", scope="federation", subject="log_loss", title="Drift in log_loss",
        severity="warning", opened_round=round_.id, opened_step=number, onset_step=number,
        last_step=number, opened_at=at,
    )  # fmt: skip
    session.add(incident)
    session.flush()
    notices.announce(session, incident, Event.OPENED)
