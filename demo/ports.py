"""A port for a server that is about to start."""

import secrets
import socket
from contextlib import suppress

FIRST, LAST = 20_000, 32_000  # below those that the system gives to whoever calls out


def free_port() -> int:
    """A port of 127.0.0.1 that nobody has, and that nobody is given before the server listens.

    One that the system finds would be of those that it gives to outgoing connections too, of which
    a busy machine has hundreds in the seconds that a server takes to start.
    """
    while True:
        port = FIRST + secrets.randbelow(LAST - FIRST)
        with suppress(OSError), socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
            return port
