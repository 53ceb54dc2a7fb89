"""A real browser before the console: start both, and sign in."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from fastapi import FastAPI
from playwright.sync_api import Browser, Page, ViewportSize, expect, sync_playwright

from app.core.database import Database
from app.core.settings import Settings
from app.main import create_app
from demo.ports import free_port
from tests.servers import program_or_skip

# Nothing that the browser does by itself leaves this machine.
OPTIONS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
]
START_SECONDS = 30.0
PHONE = ViewportSize(width=390, height=800)


class Announced(uvicorn.Server):
    """A server that says when it listens."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listens = threading.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.listens.set()


@contextmanager
def serving(settings: Settings) -> Iterator[str]:
    """The service on a world's folder: its address."""
    port, database, app = free_port(), Database(settings.database), create_app(settings)
    app.state.database = database
    with _listening(app, port):
        yield f"http://127.0.0.1:{port}"
    database.dispose()


@contextmanager
def _listening(app: FastAPI, port: int) -> Iterator[None]:
    config = uvicorn.Config(app, host="127.0.0.1", port=port, log_config=None, lifespan="off")
    server = Announced(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        assert server.listens.wait(START_SECONDS), "the service did not start"
        yield
    finally:
        server.should_exit = True
        thread.join(START_SECONDS)


@contextmanager
def chromium() -> Iterator[Browser]:
    """Debian's browser."""
    path = program_or_skip("chromium", "chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=OPTIONS)
        yield browser
        browser.close()


def sign_in(page: Page, key: str) -> None:
    """Sign in with a key on the page that asks for it."""
    page.get_by_text("With an API key").click()
    page.get_by_label("API key").fill(key)
    page.get_by_role("button", name="Sign in").last.click()
    expect(page.get_by_role("button", name="Sign out")).to_be_visible()
