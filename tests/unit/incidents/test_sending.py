"""One POST to a server that is slow, wrong or malicious; and the addresses that may be reached."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from ipaddress import ip_address
from typing import Any

import pytest

from app.core import clock
from app.incidents import addresses, sending
from app.incidents.addresses import ForbiddenAddressError, UnknownHostError, is_public, resolve
from app.incidents.sending import Limits, SendingError, post

AT = datetime(2026, 11, 21, 12, tzinfo=UTC)
HERE = Limits(seconds=2.0, allow_private=True)

Serve = Callable[[socket.socket], None]


@contextmanager
def serving(serve: Serve) -> Iterator[str]:
    """A server of one connection; its address."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def run() -> None:
            connection, _ = listening.accept()
            with connection, suppress(OSError):  # the sender had enough
                serve(connection)

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        thread.join(10)


def said(text: str) -> Serve:
    def serve(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(text.replace("\n", "\r\n").encode())

    return serve


@pytest.mark.parametrize("status", [200, 202, 204, 302, 404, 410, 429, 503])
def test_whatever_status_comes_is_the_answer(status: int) -> None:
    with serving(said(f"HTTP/1.1 {status} X\nContent-Length: 0\n\n")) as url:
        answer = post(url, b"{}", {}, HERE)
    assert answer.status == status
    assert answer.taken == (status < 300)
    assert answer.gone == (status == 410)


def test_a_redirect_is_not_followed() -> None:
    with serving(said("HTTP/1.1 200 OK\nContent-Length: 0\n\n")) as other:
        text = f"HTTP/1.1 307 X\nLocation: {other}\nContent-Length: 0\n\n"
        with serving(said(text)) as url:
            assert post(url, b"{}", {}, HERE).status == 307
        socket.create_connection(("127.0.0.1", int(other.rpartition(":")[2]))).close()


def dripped(head: bytes) -> Serve:
    def serve(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(head)
        for _ in range(100):
            connection.sendall(b"x")
            time.sleep(0.02)

    return serve


def test_one_limit_holds_for_a_server_that_drips() -> None:
    started = time.monotonic()
    with serving(dripped(b"HTTP/1.1 200 OK\r\nX: ")) as url:
        with pytest.raises(SendingError, match="within 0"):
            post(url, b"{}", {}, Limits(0.5, allow_private=True))
        assert time.monotonic() - started < 1.5


def test_a_body_that_never_ends_is_not_read() -> None:
    started = time.monotonic()
    with serving(dripped(b"HTTP/1.1 200 OK\r\n\r\n")) as url:
        assert post(url, b"{}", {}, HERE).taken
        assert time.monotonic() - started < 1.5


@pytest.mark.parametrize(
    "text", ["", "nonsense", "HTTP/1.1 999999 X\n\n", "HTTP/1.1 200 OK\n" + "A: b\n" * 40_000]
)
def test_what_is_no_answer_is_an_error_that_quotes_nothing(text: str) -> None:
    with serving(said(text)) as url, pytest.raises(SendingError) as caught:
        post(f"{url}/hush", b"{}", {}, HERE)
    assert "hush" not in str(caught.value)


def test_nobody_there_is_an_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    with pytest.raises(SendingError, match="connection failed"):
        post(f"http://127.0.0.1:{port}/", b"{}", {}, HERE)


def test_a_password_in_the_address_becomes_a_header() -> None:
    seen: list[bytes] = []

    def serve(connection: socket.socket) -> None:
        seen.append(connection.recv(65536))
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    with serving(serve) as url:
        post(url.replace("//", "//ada:h%40sh@"), b"{}", {}, HERE)
    assert b"authorization: Basic YWRhOmhAc2g=" in seen[0]
    assert b"h%40sh" not in seen[0]


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("120", 120.0),
        ("0", 0.0),
        ("999999999999", 86400.0),
        (format_datetime(AT + timedelta(minutes=5), usegmt=True), 300.0),
        (format_datetime(AT - timedelta(minutes=5), usegmt=True), 0.0),
        ("soon", None),
        ("-1", None),
        ("1.5", None),
        ("", None),
    ],
)
def test_retry_after_is_understood_in_both_forms(header: str, seconds: float | None) -> None:
    text = f"HTTP/1.1 429 X\nRetry-After: {header}\nContent-Length: 0\n\n"
    with clock.using(lambda: AT), serving(said(text)) as url:
        assert post(url, b"{}", {}, HERE).retry_after == seconds


@pytest.mark.parametrize(
    ("address", "public"),
    [
        *((text, True) for text in ("9.9.9.9", "2001:4860:4860::8888", "64:ff9b::808:808")),
        *(
            (text, False)
            for text in (
                "127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254",
                "100.64.0.1", "0.0.0.0", "255.255.255.255", "224.0.0.1", "192.0.2.1", "::", "::1",
                "fe80::1", "fe80::1%eth0", "fc00::1", "fec0::1", "ff02::1", "::ffff:10.0.0.1",
                "64:ff9b::7f00:1", "64:ff9b:1::1", "2002:7f00:1::", "2001:0:7f00:1::1",
            )
        ),
    ],
)  # fmt: skip
def test_only_the_public_internet_is_public(address: str, public: bool) -> None:
    assert is_public(ip_address(address)) == public


def test_loopback_is_refused_unless_it_is_allowed() -> None:
    with pytest.raises(ForbiddenAddressError):
        resolve("127.0.0.1", 80, allow_private=False)
    assert resolve("127.0.0.1", 80, allow_private=True) == ["127.0.0.1"]


@pytest.mark.parametrize("host", ["x" * 64 + ".example", "name.invalid", ""])
def test_a_name_without_an_address_is_told(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_args: Any, **_more: Any) -> None:
        raise socket.gaierror if len(host) < 64 else UnicodeError

    monkeypatch.setattr(addresses.socket, "getaddrinfo", unknown)
    with pytest.raises(UnknownHostError):
        resolve(host, 443, allow_private=False)


def answers(monkeypatch: pytest.MonkeyPatch, *rounds: list[str]) -> list[str]:
    """Let each look-up of a name say what stands next; return the names looked up."""
    asked: list[str] = []
    left = list(rounds)

    def look_up(host: str, port: int, **_more: Any) -> list[Any]:
        asked.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (text, port)) for text in left.pop(0)]

    monkeypatch.setattr(addresses.socket, "getaddrinfo", look_up)
    return asked


def test_one_private_address_among_public_ones_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    answers(monkeypatch, ["9.9.9.9", "10.0.0.1"])
    with pytest.raises(SendingError, match="not allowed"):
        post("http://hook.example/", b"{}", {}, Limits(2.0))


def test_a_name_that_points_elsewhere_after_the_check_changes_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """DNS rebinding: what is connected to is the address that was checked, not the name again."""
    connected: list[str] = []

    def connect(_self: object, host: str, *_args: Any, **_more: Any) -> None:
        connected.append(host)
        raise sending.httpcore.ConnectError

    monkeypatch.setattr(sending.httpcore.SyncBackend, "connect_tcp", connect)
    asked = answers(monkeypatch, ["9.9.9.9"], ["127.0.0.1"])
    with pytest.raises(SendingError, match="connection failed"):
        post("http://hook.example/", b"{}", {}, Limits(2.0))
    assert (asked, connected) == (["hook.example"], ["9.9.9.9"])
