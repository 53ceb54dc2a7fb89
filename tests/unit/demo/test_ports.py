"""A port for a server that is about to start."""

import secrets
import socket

import pytest

from demo.ports import FIRST, LAST, free_port


def test_it_is_below_those_that_the_system_gives_and_can_be_had() -> None:
    port = free_port()
    assert FIRST <= port < LAST <= 32_768
    with socket.socket() as server:
        server.bind(("127.0.0.1", port))


def test_one_that_somebody_has_is_not_given(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", had := free_port()))
        free = free_port()
        offered = iter([had - FIRST, free - FIRST])
        monkeypatch.setattr(secrets, "randbelow", lambda _: next(offered))
        assert free_port() == free != had
